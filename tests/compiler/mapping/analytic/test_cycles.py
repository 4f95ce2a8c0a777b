"""Cycles from plans: those of the cycle model, which executes the program, to the last one."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.mapping.analytic.cycles import contender_cycles, plan_cycles
from compiler.mapping.compile import compile_plans
from compiler.mapping.planner import plan_graph
from hwsim.cycles import program_cycles
from hwsim.network import load_network
from rtl.config import load_arch
from tests.system.random_archs import random_arch
from tests.system.random_layers import random_case


def _cases(seeds):
    """Networks of one to three random layers, mapped onto random accelerators; some with every tensor stored."""
    for seed in seeds:
        config, case = random_arch(seed), random_case(seed, most_macs=100_000)
        observe = {op.output for op in case.graph.operators()} if seed % 3 == 0 else ()
        try:
            yield seed, case.graph, config, plan_graph(case.graph, config, observe=observe)
        except ModelError:
            continue  # it does not fit


def _compare(seeds):
    layers = 0
    for seed, graph, config, plans in _cases(seeds):
        exact = program_cycles(compile_plans(graph, config, plans), config).layers
        np.testing.assert_array_equal(plan_cycles(plans, config), exact, err_msg=f"seed {seed}")
        layers += len(plans)
    assert layers >= len(seeds)


def test_random_layers_on_random_accelerators_take_what_the_cycle_model_says():
    _compare(range(60))


def test_a_program_lasts_until_its_end_has_been_fetched():
    """On a narrow bus END arrives when all else has long retired."""
    _compare([1126])


def test_a_tile_waits_for_its_own_layers_stores_between_whose_rows_it_lies():
    """The output stays in OFM and is stored as well, a group of filters at a time."""
    _compare([1870])


@pytest.mark.slow
def test_many_random_layers_on_random_accelerators_take_what_the_cycle_model_says():
    _compare(range(1000, 2000))


@pytest.mark.parametrize("arch", ["dense-16x16", "dense-32x32"])
@pytest.mark.parametrize("model", ["digits-cnn", "lenet-5", "squeezenet", "gru", "transformer-block"])
def test_every_layer_of_a_network_takes_what_the_cycle_model_says(model, arch):
    """Layer by layer: where one ends and the next begins is the same, too."""
    config, graph = load_arch(arch), load_network(model, "nominal").graph
    plans = plan_graph(graph, config)
    exact = program_cycles(compile_plans(graph, config, plans), config)
    np.testing.assert_array_equal(plan_cycles(plans, config), exact.layers)


def test_a_contender_takes_what_it_would_in_its_place():
    """And leaves no trace in what comes behind."""
    config, graph = load_arch("dense-8x8"), load_network("digits-cnn").graph
    plans = plan_graph(graph, config)
    alone = plan_cycles(plans, config)
    cycles, others = contender_cycles(plans, [[plan, plan] for plan in plans], config)
    np.testing.assert_array_equal(cycles, alone)
    np.testing.assert_array_equal(np.array(others), np.stack([alone, alone], axis=1))


def test_another_dram_is_another_evaluation():
    """Tables of the load engine are kept by bus and DRAM."""
    fast, graph = load_arch("dense-8x8"), load_network("digits-cnn").graph
    slow = fast.model_copy(update={"dram": fast.dram.model_copy(update={"latency_cycles": 400})})
    plans = plan_graph(graph, fast)
    before = plan_cycles(plans, fast)
    assert plan_cycles(plans, slow).sum() > before.sum()
    np.testing.assert_array_equal(plan_cycles(plans, fast), before)


def test_no_layers_take_no_time():
    assert plan_cycles((), load_arch("dense-8x8")).tolist() == []
