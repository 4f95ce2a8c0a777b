"""The zero-skipping engine's processing element: what each of its events costs, fitted to its netlist on real layers.

    E = cycles × idle + Σ events × energy of one

The idle PE is measured. The others are the least squares that are not negative, over layers of several densities: a
mixture of events is what a PE does in every cycle, and none can be had alone. Layers that the fit has not seen say how
far it carries. Memories are macros outside (:mod:`hwsim.silicon.netlist.macros`): their accesses are the SRAM model's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.silicon.characterisation.fitting import EventEnergies, Observation, fit_events
from hwsim.silicon.characterisation.sparse_stream import EVENTS, idle_stream, pruned, stream
from hwsim.silicon.characterisation.specimen import Specimen
from hwsim.silicon.switching.operands import layer_operands
from rtl.verilog import to_verilog

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.synthesis.cells import Recipe
    from rtl.config import ArchConfig

__all__ = ["measure_sparse_pe"]

TOP = "processing_element"
_CYCLES = 300
FITTED = (("conv3", 0.02), ("conv3", 0.05), ("conv3", 0.15), ("conv3", 1.0), ("pointwise", 0.06), ("pointwise", 0.5))
"""Layers and shares of weights that are kept, by which the energies are found."""
HELD_OUT = (("conv2", 0.03), ("conv2", 0.1), ("conv2", 0.4))
"""And by which they are judged."""


def measure_sparse_pe(config: ArchConfig, technology: Technology, folder: Path, recipe: Recipe) -> EventEnergies:
    """Synthesise the PE of ``config``, measure it, and split what it takes among events.

    Raises:
        ConfigError: ``config`` has no sparse engine.
        ModelError: its entries hold weights and not codes.
        ToolError: Yosys or Icarus is missing.

    """
    specimen = Specimen(to_verilog(config), TOP, technology, folder, recipe)
    layers = {layer.layer: layer for layer in layer_operands()}

    def observed(name: str, density: float) -> Observation:
        made = stream(pruned(layers[name], config, density=density), config, cycles=_CYCLES)
        what = f"{name} with {density:g} of its weights"
        return Observation(what, made.counts, made.stimulus.measured, specimen.energy(made.stimulus))

    first, density = FITTED[0]
    still = idle_stream(pruned(layers[first], config, density=density), config)
    idle = specimen.energy(still.stimulus)
    fitted = tuple(observed(*case) for case in FITTED)
    return EventEnergies(
        config=config,
        specimen=specimen,
        idle=idle,
        events=fit_events(EVENTS, fitted, idle),
        fitted=fitted,
        held_out=tuple(observed(*case) for case in HELD_OUT),
    )
