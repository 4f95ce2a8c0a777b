"""The two questions that the command line asks, as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hwsim.cosimulation import simulate_network
from hwsim.costing import Fidelity, Goal, NetworkCost, RowOrder, mapper_objective, network_cost, prepared
from hwsim.cycles import ProgramCycles
from hwsim.energy.model import EnergyModel
from hwsim.energy.options import with_technology
from hwsim.errors import InputError
from hwsim.files import write_json
from hwsim.inputs import given_inputs, random_inputs
from hwsim.network import load_network
from hwsim.pricing import estimate_layers, estimate_program
from hwsim.progress import SILENT
from hwsim.results import Estimate, Simulation
from rtl.config import ArchConfig, load_arch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from compiler.mapping.engines import Preference
    from hwsim.progress import Reporter
    from hwsim.simulation.harness import MemoryKind

__all__ = [
    "Fidelity",
    "Goal",
    "NetworkCost",
    "RowOrder",
    "estimate",
    "estimate_layers",
    "estimate_program",
    "given_inputs",
    "mapper_objective",
    "network_cost",
    "prepared",
    "random_inputs",
    "simulate",
    "simulate_network",
]


def estimate(
    model: str,
    arch: str | Path | ArchConfig,
    *,
    calibration: NDArray | Literal["random"] | None = None,
    technology: str | None = None,
    dram: str | None = None,
    voltage_v: float | None = None,
    fidelity: Fidelity = "cycle",
    objective: Goal = "cycles",
    inputs: NDArray | Mapping[str, NDArray] | None = None,
    seed: int = 0,
    rows: RowOrder = "balanced",
    engine: Preference = "cheapest",
    trace: Path | None = None,
    reporter: Reporter = SILENT,
) -> Estimate:
    """Cycles, events and energy of every layer of ``model`` on ``arch``, by the cycle or the analytic model.

    What a sparse layer takes depends on its data: ``inputs`` are as :func:`simulate` takes them, by default those that
    it runs for ``seed``. ``rows`` says how rows of compressed weights come to PEs: ``balanced`` by their weights and by
    activations of calibration, or ``interleaved`` as they are. All three mean nothing to dense layers. ``engine`` is
    where layers run that more than one engine can run.

    ``analytic`` makes no program: cycles and events of dense layers are those of ``cycle`` to the last one, those of
    sparse layers close to it, and stalls are not known. ``objective`` is what the mapper minimises in every layer.

    ``technology``, ``dram`` and ``voltage_v`` stand in for what ``arch`` says of them (see ``docs/energy.md``).
    ``trace`` is a file to write a timeline of the engines to (see :mod:`hwsim.report.trace`).

    Raises:
        ConfigError, ModelError, WorkloadError, InputError: one line that names the culprit.

    """
    config = with_technology(_config(arch), table=technology, dram=dram, voltage_v=voltage_v)
    # Refused before the work.
    EnergyModel(config)
    reporter.stage(f"reading {model}")
    network = load_network(model, calibration)
    if fidelity == "analytic" and trace is not None:
        raise InputError("a timeline shows instructions, which the analytic model has not; estimate by cycle")
    cost = network_cost(
        network, config, fidelity, objective=objective, inputs=inputs, seed=seed, rows=rows, engine=engine,
        reporter=reporter,
    )  # fmt: skip
    result = estimate_layers(cost.network, cost.infos, config, cost.cycles, fidelity, coded=cost.coded)
    if trace is not None and cost.program is not None and isinstance(cost.cycles, ProgramCycles):
        from hwsim.report.trace import timeline

        made = timeline(cost.program, cost.cycles, model=result.model, arch=result.arch, clock_mhz=result.clock_mhz)
        write_json(trace, made)
    return result


def simulate(
    model: str,
    arch: str | Path | ArchConfig,
    *,
    inputs: NDArray | Mapping[str, NDArray] | None = None,
    layers: Sequence[str] | None = None,
    simulator: str = "verilator",
    memory: MemoryKind = "dram",
    waves: Path | None = None,
    seed: int = 0,
    calibration: NDArray | Literal["random"] | None = None,
    objective: Goal = "cycles",
    rows: RowOrder = "balanced",
    engine: Preference = "cheapest",
    reporter: Reporter = SILENT,
) -> Simulation:
    """Run ``model`` on the RTL of ``arch``: its bytes against the reference interpreter, its cycles against the model.

    The network runs twice: as it would, for the cycles, and once more with every layer's result (or those of
    ``layers``) stored to DRAM, to compare their bytes one by one. Each run is held to the model's cycles of its own.

    ``inputs`` is the model's input (or inputs, by name), a sample of the workload or random by ``seed`` without it.
    ``rows`` and ``engine`` are as :func:`estimate` takes them. ``layers`` are names, numbers or ranges (``2-5``) of the
    layers whose bytes are compared, all without it.

    Raises:
        ConfigError, ModelError, WorkloadError, InputError: one line that names the culprit.
        SimulationError, ToolError: the simulator failed or is missing.

    """
    config = _config(arch)
    # A technology that cannot be is refused before the simulation, not after it.
    EnergyModel(config)
    reporter.stage(f"reading {model}")
    network = load_network(model, calibration)
    given = given_inputs(network, inputs, seed)
    return simulate_network(
        network, config, given, layers=layers, simulator=simulator, memory=memory, waves=waves, seed=seed,
        objective=objective, rows=rows, engine=engine, reporter=reporter,
    )  # fmt: skip


def _config(arch: str | Path | ArchConfig) -> ArchConfig:
    return arch if isinstance(arch, ArchConfig) else load_arch(arch)
