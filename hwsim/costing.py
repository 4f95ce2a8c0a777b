"""A network mapped onto an architecture: its cycles and events by either model, before anything is priced."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from compiler.interpreter import interpret
from compiler.mapping.compile import compile_plans, layer_info
from compiler.mapping.engines import runs_sparse
from compiler.mapping.mapper import CYCLES, Objective
from compiler.mapping.planner import assumed_density, plan_graph
from compiler.mapping.sparse.coded import coded_weights
from compiler.mapping.sparse.plan import SparsePlan
from compiler.passes.low_planes import low_planes
from compiler.sparse.absorb import balance_rows
from hwsim.activity import calibrated_activity, density_of, program_works
from hwsim.analytic import AnalyticCycles, analytic_cycles
from hwsim.cycles import ProgramCycles, program_cycles
from hwsim.energy.model import EnergyModel
from hwsim.errors import InputError
from hwsim.inputs import given_inputs
from hwsim.network import Network
from hwsim.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from compiler.mapping.engines import Preference
    from compiler.mapping.plan import Plan
    from compiler.mapping.sparse.coded import CodedWeights
    from compiler.program.program import LayerInfo, Program
    from hwsim.progress import Reporter
    from rtl.config import ArchConfig

__all__ = [
    "Fidelity",
    "Goal",
    "NetworkCost",
    "RowOrder",
    "coded_layers",
    "mapper_objective",
    "network_cost",
    "prepared",
]

Fidelity = Literal["analytic", "cycle"]
Goal = Literal["cycles", "energy", "edp"]
RowOrder = Literal["balanced", "interleaved"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NetworkCost:
    """Cycles and events of a network that is mapped."""

    network: Network
    """With its rows in the order in which the sparse engine takes them."""
    infos: tuple[LayerInfo, ...]
    cycles: ProgramCycles | AnalyticCycles
    """By layer."""
    program: Program | None
    """None where the model needs none."""
    coded: tuple[CodedWeights | None, ...]
    """What each layer's weights would take to load, Huffman-coded; None of dense ones, or without a decoder."""


def network_cost(
    network: Network,
    config: ArchConfig,
    fidelity: Fidelity,
    *,
    objective: Goal = "cycles",
    inputs: NDArray | Mapping[str, NDArray] | None = None,
    seed: int = 0,
    rows: RowOrder = "balanced",
    engine: Preference = "cheapest",
    reporter: Reporter = SILENT,
) -> NetworkCost:
    """As :func:`estimate`, of a network that is loaded, and before anything is priced."""
    reporter.stage("mapping")
    network, density = prepared(network, config, rows)
    graph = low_planes(network.graph)
    plans = plan_graph(graph, config, mapper_objective(objective, config), density=density, engine=engine)
    coded = coded_layers(plans, config)
    if fidelity == "analytic":
        infos = tuple(layer_info(plan) for plan in plans)
        known = assumed_density(graph) if density is None else density
        found = analytic_cycles(plans, config, known)
        return NetworkCost(network=network, infos=infos, cycles=found, program=None, coded=coded)
    program = compile_plans(graph, config, plans)
    works = None
    if any(layer.engine == "sparse" for layer in program.layers):
        reporter.stage("reference interpreter")
        works = program_works(program, config, interpret(network.graph, given_inputs(network, inputs, seed)))
    cycles = program_cycles(program, config, works)
    return NetworkCost(network=network, infos=program.layers, cycles=cycles, program=program, coded=coded)


def prepared(network: Network, config: ArchConfig, rows: RowOrder) -> tuple[Network, dict[str, float] | None]:
    """``network`` with its rows in order for the sparse engine of ``config``, and the density of its tensors.

    The density, from the workload's own samples, is None where there are none: then the mapper assumes one.
    """
    if config.sparse_engine is None:
        return network, None
    activity = calibrated_activity(network)
    graph = network.graph
    if rows == "balanced":
        graph, activity = balance_rows(graph, config.sparse, partial(runs_sparse, graph, config), activity)
        network = replace(network, graph=graph)
    return network, None if activity is None else density_of(graph, activity)


def mapper_objective(goal: Goal, config: ArchConfig) -> Objective:
    """What the mapper minimises for ``goal``, priced in the configuration's technology.

    Raises:
        InputError: no such goal, or the technology cannot be as the configuration asks for it.

    """
    if goal == "cycles":
        return CYCLES
    if goal not in ("energy", "edp"):
        raise InputError(f"objective {goal!r}: cycles, energy or edp")
    model = EnergyModel(config)
    return Objective(goal, tuple(model.event_weights().tolist()), model.cycle_weight())


def coded_layers(plans: Sequence[Plan | SparsePlan], config: ArchConfig) -> tuple[CodedWeights | None, ...]:
    """What each layer's weights would take to load, Huffman-coded; None of dense ones, or without a decoder."""
    return tuple(coded_weights(plan, config) if isinstance(plan, SparsePlan) else None for plan in plans)
