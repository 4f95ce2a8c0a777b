"""The two questions that the command line asks, as functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from compiler.interpreter import interpret
from compiler.ir.integer import Conv
from compiler.mapping.compile import compile_graph, compile_plans, host_step, layer_info
from compiler.mapping.engines import host_operators, runs_sparse
from compiler.mapping.mapper import CYCLES, Objective
from compiler.mapping.planner import assumed_density, plan_graph
from compiler.mapping.sparse.coded import coded_weights
from compiler.mapping.sparse.plan import SparsePlan
from compiler.passes.low_planes import has_two_planes, low_planes
from compiler.sparse.absorb import balance_rows
from hwsim.activity import calibrated_activity, density_of, program_works, sample_inputs
from hwsim.analytic import AnalyticCycles, analytic_cycles
from hwsim.bandwidth import bandwidth
from hwsim.comparison import differing_bytes, layer_runs, same_timing
from hwsim.cycles import ProgramCycles, program_cycles
from hwsim.energy.formats import weight_format
from hwsim.energy.model import EnergyModel
from hwsim.energy.options import with_technology
from hwsim.errors import InputError
from hwsim.files import write_json
from hwsim.network import Network, load_network
from hwsim.progress import SILENT
from hwsim.results import Estimate, HostStepEstimate, LayerEstimate, Simulation
from rtl.config import ArchConfig, load_arch
from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from compiler.mapping.engines import Preference
    from compiler.mapping.plan import Plan
    from compiler.mapping.sparse.coded import CodedWeights
    from compiler.program.program import LayerInfo, Program
    from hwsim.progress import Reporter
    from hwsim.simulation.harness import MemoryKind

Fidelity = Literal["analytic", "cycle"]
Goal = Literal["cycles", "energy", "edp"]
RowOrder = Literal["balanced", "interleaved"]

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
    coded = _coded(plans, config)
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


def estimate_program(network: Network, program: Program, config: ArchConfig, cycles: ProgramCycles) -> Estimate:
    """The cycle model's figures of a program, by layer, priced in the configuration's technology.

    Raises:
        InputError: the technology cannot be as the configuration asks for it.

    """
    return estimate_layers(network, program.layers, config, cycles, "cycle")


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


def estimate_layers(
    network: Network,
    infos: Sequence[LayerInfo],
    config: ArchConfig,
    cycles: ProgramCycles | AnalyticCycles,
    fidelity: Fidelity,
    *,
    coded: Sequence[CodedWeights | None] = (),
) -> Estimate:
    """Figures of either model, by layer, priced in the configuration's technology; ``coded`` is all or nothing."""
    counters = cycles.counters
    model = EnergyModel(config)
    energies = model.energy(counters, cycles.layers)
    traffics = bandwidth(counters, cycles.layers, config)
    layers = []
    weighted = {op.output: op for op in network.graph.select(Conv)}
    for index, layer in enumerate(infos):
        counts = {counter.name: int(counters[index, i]) for i, counter in enumerate(COUNTERS)}
        spent = int(cycles.layers[index])
        traffic = traffics.layer(index)
        effective = counts["sparse_macs"] if layer.engine == "sparse" else layer.macs
        op = weighted.get(layer.target)
        stored = weight_format(op, layer.engine, counts, energies[index], model) if op is not None else None
        priced = stored.energy_pj if op is not None and stored is not None and has_two_planes(op) else None
        peak = config.sparse.pes if layer.engine == "sparse" else config.dense.rows * config.dense.cols
        layers.append(
            LayerEstimate(
                name=layer.name,
                op=layer.op,
                engine=layer.engine,
                macs=layer.macs,
                effective_macs=effective,
                cycles=spent,
                dram_read_bytes=counts["dram_read_bytes"],
                dram_write_bytes=counts["dram_write_bytes"],
                utilization=effective / (spent * peak) if spent else 0.0,
                bound=traffic.bound,
                counters=counts,
                # The low plane is all that was mapped.
                energy_pj=priced or energies[index],
                bandwidth=traffic,
                coded_weights=coded[index] if coded else None,
                weight_format=stored,
            )
        )
    targets = {info.target for info in infos}
    hosts = tuple(
        HostStepEstimate(
            name=step.operator,
            op=step.op_type,
            reason=step.reason,
            read_bytes=step.read_bytes,
            write_bytes=step.write_bytes,
        )
        for step in (host_step(network.graph, op, config) for op in host_operators(network.graph, targets))
    )
    return Estimate(
        model=network.name,
        arch=config.name,
        clock_mhz=model.clock_mhz,
        macs_per_cycle=config.macs_per_cycle,
        fidelity=fidelity,
        cycles=cycles.cycles,
        layers=tuple(layers),
        host_operators=tuple(f"{host.name} ({host.op})" for host in hosts),
        host_steps=hosts,
        notes=network.graph.notes,
        technology=model.technology,
        area_mm2=model.area_mm2(),
        dram_bytes_per_cycle=config.bus.data_bytes / config.dram.beat_interval,
    )


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
    """As :func:`simulate`, of a network that is loaded, on inputs by tensor."""
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
    estimated = estimate_layers(network, program.layers, config, cycles, "cycle", coded=_coded(plans, config))
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


def _coded(plans: Sequence[Plan | SparsePlan], config: ArchConfig) -> tuple[CodedWeights | None, ...]:
    """What each layer's weights would take to load, Huffman-coded; None of dense ones, or without a decoder."""
    return tuple(coded_weights(plan, config) if isinstance(plan, SparsePlan) else None for plan in plans)


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


def _config(arch: str | Path | ArchConfig) -> ArchConfig:
    return arch if isinstance(arch, ArchConfig) else load_arch(arch)


def random_inputs(graph: Graph, seed: int) -> dict[str, NDArray]:
    """Random values for every input of a graph, by port, in the model's own layout; every int8 that it can become."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for port in graph.input_ports:
        tensor = graph.tensor(port.tensor)
        if tensor.quant is None:
            arrays[port.name] = rng.standard_normal(port.shape).astype(port.dtype)
        else:
            arrays[port.name] = port.release(rng.integers(-128, 128, tensor.shape).astype(np.int8), tensor)
    return arrays


def given_inputs(network: Network, inputs: NDArray | Mapping[str, NDArray] | None, seed: int) -> dict[str, NDArray]:
    """The user's arrays by port, or those of ``seed``: a sample of the workload, or random ones."""
    if inputs is not None:
        return _admit(network.graph, inputs)
    sample = sample_inputs(network, seed)
    return random_inputs(network.graph, seed) if sample is None else sample


def _admit(graph: Graph, inputs: NDArray | Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The user's arrays, by port.

    Raises:
        InputError: names or shapes that are not the model's.

    """
    ports = {port.name: port for port in graph.input_ports}
    if isinstance(inputs, np.ndarray):
        if len(ports) != 1:
            raise InputError(f"the model has {len(ports)} inputs ({', '.join(ports)}); give them by name")
        inputs = {next(iter(ports)): inputs}
    if set(inputs) != set(ports):
        raise InputError(f"the model's inputs are {', '.join(ports)}, not {', '.join(inputs)}")
    admitted = {}
    for name, array in inputs.items():
        size = graph.tensor(ports[name].tensor).size
        if array.size != size:
            raise InputError(f"input {name!r} takes {list(ports[name].shape)}, not {list(array.shape)}")
        if array.dtype.kind not in "iuf":
            raise InputError(f"input {name!r} takes numbers, not {array.dtype}")
        admitted[name] = array
    return admitted
