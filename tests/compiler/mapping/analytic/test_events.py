"""The events of plans in closed form are those that the cycle model counts, instruction by instruction."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.mapping.analytic.events import plan_events
from compiler.mapping.compile import compile_plans
from compiler.mapping.planner import plan_graph
from hwsim.cycles import program_cycles
from rtl.config import ArchConfig, DenseConfig
from rtl.counters import COUNTERS
from tests.system.random_archs import random_arch
from tests.system.random_layers import random_case

EVENTS = [index for index, counter in enumerate(COUNTERS) if "_waits_for_" not in counter.name]


def architecture(seed: int) -> ArchConfig:
    """Every other one is output-stationary."""
    config = random_arch(seed)
    if seed % 2 == 0:
        return config
    dense = DenseConfig(rows=config.dense.rows, cols=config.dense.cols, dataflow="output_stationary", depthwise_taps=0)
    return config.model_copy(update={"dense_engine": dense})


@pytest.mark.parametrize("first", [0, 100, 200])
def test_events_are_those_of_the_cycle_model(first):
    choices: Counter[str] = Counter()
    for seed in range(first, first + 100):
        case, config = random_case(seed, most_macs=6000), architecture(seed)
        observe = {op.output for op in case.graph.operators()} if seed % 3 == 0 else set()
        try:
            plans = plan_graph(case.graph, config, observe=observe)
        except ModelError:
            continue
        want = program_cycles(compile_plans(case.graph, config, plans), config).counters
        got = plan_events(plans, config)
        for layer, counter in np.argwhere(got[:, EVENTS] != want[:, EVENTS]):
            pytest.fail(
                f"network {seed}, layer {layer}: {COUNTERS[counter].name} is {got[layer, counter]}, "
                f"counted {want[layer, counter]}, by {plans[layer]}"
            )
        for plan in plans:
            choices.update(name for name in ("hold_weights", "hold_input", "kept_input") if getattr(plan, name))
            choices["resident input"] += plan.source is not None
            choices["resident output"] += plan.target is not None
            choices["resident residual"] += plan.skip is not None
            choices["output both ways"] += plan.target is not None and plan.stores
            choices["parameters come again"] += not plan.hold_params
            choices["groups"] += len(plan.groups) > 1
    # Every residency has been put to the test.
    assert min(choices[name] for name in (
        "hold_weights", "hold_input", "resident input", "resident output", "resident residual", "output both ways",
        "groups",
    )) > 0  # fmt: skip
