"""What an instruction costs on its way from DRAM's beats to its engine, measured in the netlist of that path.

The programs are real ones, compiled for the architecture, and engines answer as their timing says
(:mod:`hwsim.silicon.characterisation.control_stream`). Stretches of the one are fitted to, another network's say how
far that carries. Queues are flip-flops, as they are in the accelerator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compiler.mapping.compile import compile_graph
from hwsim.network import load_network
from hwsim.silicon.characterisation.control_stream import EVENTS, ControlStream, control_stream, joined
from hwsim.silicon.characterisation.fitting import EventEnergies, Observation, fit_events
from hwsim.silicon.characterisation.specimen import Specimen
from hwsim.silicon.synthesis.cells import sizing_constraints
from rtl.cell import emit
from rtl.control.path import TOP, ControlPath

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.switching.power import Energy
    from hwsim.silicon.synthesis.cells import Recipe
    from rtl.config import ArchConfig

__all__ = ["Case", "measure_control", "program_stream"]


class Case(NamedTuple):
    """Some cycles of a network's program."""

    network: str
    first: int
    last: int
    """Behind the last."""

    def __str__(self) -> str:
        return f"cycles {self.first} to {self.last} of {self.network}"


_FITTED_ENDS = ((0, 50), (50, 100), (100, 150), (150, 250), (250, 500), (500, 1200))
FITTED = tuple(Case("digits-cnn", *ends) for ends in _FITTED_ENDS)
"""By which the energies are found."""
HELD_OUT = tuple(Case("digits-mlp", *ends) for ends in ((0, 100), (100, 250), (250, 700), (0, 700)))
"""And by which they are judged."""


def program_stream(network: str, config: ArchConfig) -> ControlStream:
    """The program of ``network``, as the compiler makes it for ``config``; the first, where the host has a part in it.

    Raises:
        WorkloadError: no such network.

    """
    program = compile_graph(load_network(network).graph, config)
    return control_stream(program.segments[0], config)


def measure_control(config: ArchConfig, technology: Technology, folder: Path, recipe: Recipe) -> EventEnergies:
    """Synthesise the instruction path of ``config``, measure it, and split what it takes among events.

    Raises:
        ToolError: Yosys or Icarus is missing.
        SimulationError: the netlist answers wrongly.

    """
    verilog = emit(ControlPath(config), TOP)
    # A bit of a queue's place selects hundreds of others: nothing like the netlist that is built without buffers.
    specimen = Specimen(verilog, TOP, technology, folder, recipe, constraints=sizing_constraints(technology))
    fitted, held_out, idle = _measured(specimen, config)
    return EventEnergies(
        config=config,
        specimen=specimen,
        idle=idle,
        events=fit_events(EVENTS, fitted, idle),
        fitted=fitted,
        held_out=held_out,
    )


def _measured(
    specimen: Specimen, config: ArchConfig
) -> tuple[tuple[Observation, ...], tuple[Observation, ...], Energy]:
    """What is fitted to, what judges it, and an idle cycle: all in one simulation of two programs in turn."""
    trained, other = (program_stream(cases[0].network, config) for cases in (FITTED, HELD_OUT))
    head, tail = trained.until(FITTED[-1].last), other.until(HELD_OUT[-1].last)
    places = [(case, trained, trained.begin) for case in FITTED]
    places += [(case, other, head.cycles + other.begin) for case in HELD_OUT]
    windows = [range(begin + case.first, begin + case.last) for case, _, begin in places]
    *energies, idle = specimen.energies(joined(head, tail), [*windows, trained.idle()])
    seen = [
        Observation(str(case), stream.counts(case.first, case.last), case.last - case.first, energy)
        for (case, stream, _), energy in zip(places, energies, strict=True)
    ]
    return tuple(seen[: len(FITTED)]), tuple(seen[len(FITTED) :]), idle
