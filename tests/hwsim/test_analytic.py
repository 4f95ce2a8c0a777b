"""The analytic model: the events of the cycle model, and cycles close to its own, without a program."""

from __future__ import annotations

import numpy as np
import pytest

import hwsim
from compiler.errors import ModelError
from compiler.mapping.compile import compile_plans
from compiler.mapping.planner import plan_graph
from hwsim.analytic import analytic_cycles
from hwsim.api import estimate, mapper_objective
from hwsim.cycles import program_cycles
from hwsim.errors import InputError
from hwsim.network import load_network
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
