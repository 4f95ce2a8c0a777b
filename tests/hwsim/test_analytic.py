"""The analytic model: the events of the cycle model, and cycles close to its own, without a program."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hwsim
from compiler.errors import ModelError
from compiler.interpreter import interpret
from compiler.ir.integer import Conv
from compiler.mapping.compile import compile_plans
from compiler.mapping.planner import plan_graph
from hwsim.activity import program_works
from hwsim.analytic import analytic_cycles
from hwsim.api import estimate, given_inputs, mapper_objective, network_cost
from hwsim.cycles import program_cycles
from hwsim.errors import InputError
from hwsim.network import Network, load_network
from rtl.config import ArchConfig, MemoryConfig, SparseConfig, load_arch
from rtl.counters import COUNTERS
from rtl.timing import Events
from workloads.registry import names

EVENTS = [counter.name for counter in COUNTERS if "_waits_for_" not in counter.name]


@pytest.mark.parametrize("arch", ["dense-8x8", "dense-16x16", "dense-32x32"])
@pytest.mark.parametrize("model", ["digits-cnn", "digits-mlp", "gemm-512x512x512"])
def test_a_network_costs_what_the_cycle_model_says(model, arch):
    config = load_arch(arch)
    plans = plan_graph(load_network(model).graph, config)
    found = analytic_cycles(plans, config, {})
    exact = program_cycles(compile_plans(load_network(model).graph, config, plans), config)
    np.testing.assert_array_equal(found.counters[:, : len(EVENTS)], exact.counters[:, : len(EVENTS)])
    # A layer that is over in no time has fill and drain for the most part.
    np.testing.assert_allclose(found.layers, exact.layers, rtol=0.02, atol=30)
    assert found.cycles == pytest.approx(exact.cycles, rel=0.02)


def _program_events(program, config) -> np.ndarray:
    """``[layers, counters]``: what every instruction adds; no schedule is needed for that."""
    index = {name: k for k, name in enumerate(EVENTS)}
    found = np.zeros((len(program.layers), len(EVENTS)), np.int64)
    for segment in program.segments:
        events = Events(config)
        for instruction in segment.instructions[:-1]:
            for name, count in events.of(instruction).items():
                found[instruction.layer, index[name]] += count
    return found


def _output_stationary() -> ArchConfig:
    config = load_arch("dense-16x16")
    dense = config.dense.model_copy(update={"dataflow": "output_stationary", "depthwise_taps": 0})
    return config.model_copy(update={"dense": dense})


# What does not fit 8x8 does not fit it: one output pixel, or one row of it.
_TOO_SMALL = {("vgg19", "dense-8x8"), ("xception", "dense-8x8")}


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["cycles", "energy", "edp"])
@pytest.mark.parametrize("arch", ["dense-8x8", "dense-16x16", "dense-32x32", "output-stationary"])
@pytest.mark.parametrize("model", sorted(name for name in names() if "/" not in name))
def test_every_counter_of_every_network_is_that_of_its_program(model, arch, objective):
    config = _output_stationary() if arch == "output-stationary" else load_arch(arch)
    graph = load_network(model, "nominal").graph
    if (model, arch) in _TOO_SMALL:
        with pytest.raises(ModelError, match="raise"):
            plan_graph(graph, config, mapper_objective(objective, config))
        return
    plans = plan_graph(graph, config, mapper_objective(objective, config))
    found = analytic_cycles(plans, config, {}).counters[:, : len(EVENTS)]
    np.testing.assert_array_equal(found, _program_events(compile_plans(graph, config, plans), config))


def test_an_estimate_says_how_it_was_made_and_has_the_events_of_the_other():
    analytic, cycle = (hwsim.estimate("digits-cnn", "dense-8x8", fidelity=f) for f in ("analytic", "cycle"))
    assert (analytic.fidelity, cycle.fidelity) == ("analytic", "cycle")
    for ours, theirs in zip(analytic.layers, cycle.layers, strict=True):
        assert (ours.name, ours.op, ours.macs) == (theirs.name, theirs.op, theirs.macs)
        assert {name: ours.counters[name] for name in EVENTS} == {name: theirs.counters[name] for name in EVENTS}


def test_a_timeline_takes_a_program(tmp_path):
    with pytest.raises(InputError, match="timeline"):
        hwsim.estimate("digits-cnn", "dense-8x8", fidelity="analytic", trace=tmp_path / "trace.json")


def test_a_mapping_for_energy_takes_no_more_of_it():
    """By the analytic model, which is what the mapper decides by; the cycle model agrees closely."""
    for arch in ("dense-8x8", "dense-16x16"):
        energies = {}
        for goal in ("cycles", "energy"):
            result = hwsim.estimate("digits-cnn", arch, objective=goal)
            assert result.energy_pj is not None
            energies[goal] = result.energy_pj.total
        assert energies["energy"] <= 1.01 * energies["cycles"]


def test_an_objective_that_is_none_is_refused():
    with pytest.raises(InputError, match="cycles, energy or edp"):
        mapper_objective("time", load_arch("dense-8x8"))  # pyright: ignore[reportArgumentType]


EIE = ArchConfig(
    name="eie-16",
    dense=None,
    sparse=SparseConfig(pes=16, spmat_kib=128, pointers=8192, accumulators=1024),
    memory=MemoryConfig(param_kib=128),
)


@pytest.mark.parametrize("rows", ["balanced", "interleaved"])
def test_a_sparse_layer_costs_what_its_densities_lead_to_expect(rows):
    exact = estimate("eie/nt-we", EIE, rows=rows)
    found = estimate("eie/nt-we", EIE, rows=rows, fidelity="analytic")
    assert found.cycles == pytest.approx(exact.cycles, rel=0.05)
    ours, theirs = found.layers[0].counters, exact.layers[0].counters
    for name in ("sparse_broadcasts", "sparse_macs", "sparse_padding", "sparse_pushes", "sparse_rows"):
        assert ours[name] == pytest.approx(theirs[name], rel=0.05), name
    for name in ("dram_read_bytes", "dram_write_bytes", "spmat_write_bytes", "pointer_write_bytes", "requantized"):
        assert ours[name] == theirs[name], name


def _pruned(model: str, keep: float) -> Network:
    """``model`` with a share of ``keep`` of the weights of every layer, on 15 levels: a codebook of 4 bits."""
    network = load_network(model)
    graph = network.graph.copy()
    for op in graph.select(Conv):
        size = np.abs(op.weights.astype(np.float64))
        level = max(1, round(size.max() / 7))
        nearest = np.sign(op.weights) * np.clip(np.rint(size / level), 1, 7)
        weights = np.where(size > np.quantile(size, 1 - keep), nearest, 0) * level
        graph.replace(op.name, dataclasses.replace(op, weights=weights.astype(np.int16)))
    return dataclasses.replace(network, graph=graph)


@pytest.mark.parametrize("arch", ["eie-64", "hybrid-16x16-eie-16"])
@pytest.mark.parametrize(("model", "layers"), [("digits-mlp", 3), ("digits-cnn", 6)])
def test_a_network_of_sparse_layers_costs_what_its_densities_lead_to_expect(model, layers, arch):
    """A layer's weights are loaded while the ones before it compute, and are most of what so small a network takes."""
    network, config = _pruned(model, 0.5), load_arch(arch)
    found, exact = (network_cost(network, config, f, engine="sparse") for f in ("analytic", "cycle"))
    assert sum(info.engine == "sparse" for info in exact.infos) >= layers
    assert found.cycles.cycles == pytest.approx(exact.cycles.cycles, rel=0.05)


@pytest.mark.parametrize("arch", ["eie-64", "hybrid-16x16-eie-16"])
def test_what_is_left_to_expect_is_where_zeros_lie(arch):
    """Told the densities of the very input, cycles are closer still; and padding is not broadcast."""
    network, config = _pruned("digits-cnn", 0.3), load_arch(arch)
    graph = network.graph
    values = interpret(graph, given_inputs(network, None, 0))
    zeros = {tensor.name: tensor.quant.zero_point for tensor in graph.tensors() if tensor.quant is not None}
    density = {name: float((values[name] != zero).mean()) for name, zero in zeros.items() if name in values}
    plans = plan_graph(graph, config, density=density, engine="sparse")
    program = compile_plans(graph, config, plans)
    exact = program_cycles(program, config, program_works(program, config, values))
    found = analytic_cycles(plans, config, density)
    assert found.cycles == pytest.approx(exact.cycles, rel=0.02)
    index = {counter.name: k for k, counter in enumerate(COUNTERS)}
    for name in ("sparse_broadcasts", "sparse_macs", "sparse_padding", "sparse_pushes"):
        ours, theirs = (counters[:, index[name]].sum() for counters in (found.counters, exact.counters))
        assert ours == pytest.approx(theirs, rel=0.03), name
