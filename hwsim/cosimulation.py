"""A network on the RTL: its bytes against the reference interpreter, its cycles against the cycle model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.interpreter import interpret
from compiler.mapping.compile import compile_graph, compile_plans
from compiler.mapping.planner import plan_graph
from hwsim.activity import program_works
from hwsim.comparison import differing_bytes, layer_runs, same_timing
from hwsim.costing import coded_layers, mapper_objective, prepared
from hwsim.cycles import program_cycles
from hwsim.errors import InputError
from hwsim.pricing import estimate_layers
from hwsim.progress import SILENT
from hwsim.results import Simulation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from compiler.mapping.engines import Preference
    from compiler.program.program import Program
    from hwsim.costing import Goal, RowOrder
    from hwsim.network import Network
    from hwsim.progress import Reporter
    from hwsim.simulation.harness import MemoryKind
    from rtl.config import ArchConfig

__all__ = ["simulate_network"]


def simulate_network(
    network: Network,
    config: ArchConfig,
    inputs: dict[str, NDArray],
    *,
    layers: Sequence[str] | None = None,
    simulator: str = "verilator",
    memory: MemoryKind = "dram",
    waves: Path | None = None,
    seed: int = 0,
    objective: Goal = "cycles",
    rows: RowOrder = "balanced",
    engine: Preference = "cheapest",
    reporter: Reporter = SILENT,
) -> Simulation:
    """As :func:`hwsim.api.simulate`, of a network that is loaded, on inputs by tensor."""
    # Late: it brings cocotb along, a third of a second that an estimate has no use for.
    from hwsim.execute import Work, execute

    reporter.stage("mapping")
    network, density = prepared(network, config, rows)
    graph = network.graph
    goal = mapper_objective(objective, config)
    plans = plan_graph(graph, config, goal, density=density, engine=engine)
    program = compile_plans(graph, config, plans)
    chosen = _chosen(program, layers)
    targets = {program.layers[i].target for i in chosen}
    observed = compile_graph(graph, config, observe=targets, objective=goal, density=density, engine=engine)
    reporter.stage("reference interpreter")
    reference = interpret(graph, inputs)
    cycles, observed_cycles = (
        program_cycles(p, config, program_works(p, config, reference)) for p in (program, observed)
    )

    reporter.stage("building the simulator")
    limit = 1000 + 4 * max(cycles.cycles, observed_cycles.cycles) if memory == "dram" else 1 << 32
    works = [
        Work(program, {t: reference[t] for t in graph.inputs}),
        Work(observed, {t: reference[t] for t in graph.inputs}),
    ]
    plain, seen = execute(
        works, graph, config, simulator=simulator, memory=memory, waves=waves, seed=seed, max_cycles=limit,
        reporter=reporter,
    )  # fmt: skip
    estimated = estimate_layers(network, program.layers, config, cycles, "cycle", coded=coded_layers(plans, config))
    compared = [(seen, program.layers[i].target, program.layers[i].channels) for i in chosen]
    compared += [(plain, t, (0, reference[t].shape[-1])) for t in graph.outputs]
    differences = [differing_bytes(run, reference, tensor, channels) for run, tensor, channels in compared]
    runs = layer_runs(estimated, plain, cycles, dict(zip(chosen, differences, strict=False)))
    observed_same = memory != "dram" or same_timing(seen, observed_cycles)
    return Simulation(
        estimate=estimated,
        rtl_cycles=plain.cycles,
        model_cycles=cycles.cycles,
        mismatched_bytes=sum(d for d, _ in differences),
        compared_bytes=sum(n for _, n in differences),
        observed_agrees=observed_same,
        layers=tuple(runs),
        simulator=simulator,
        memory=memory,
        seed=seed,
        wall_s=sum(run.wall_s for run in plain.runs),
        build_s=plain.runs[0].build_s if plain.runs else 0.0,
    )


def _chosen(program: Program, layers: Sequence[str] | None) -> list[int]:
    """Indices of the layers that the user names.

    Raises:
        InputError: no such layer.

    """
    if layers is None:
        return list(range(len(program.layers)))
    names = [layer.name for layer in program.layers]
    chosen: set[int] = set()
    for item in layers:
        first, _, last = item.partition("-")
        if item in names:
            chosen.add(names.index(item))
        elif first.isdecimal() and (not last or last.isdecimal()) and int(first) <= int(last or first) < len(names):
            chosen |= set(range(int(first), int(last or first) + 1))
        else:
            raise InputError(f"--layers: no layer {item!r}; this network has 0-{len(names) - 1}, such as {names[0]!r}")
    return sorted(chosen)
