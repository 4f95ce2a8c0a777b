"""The mapper's second look, and what it comes to: no network takes more cycles than before there was a search."""

from __future__ import annotations

import pytest

from compiler.errors import ModelError
from compiler.mapping.analytic.cycles import plan_cycles
from compiler.mapping.compile import compile_plans
from compiler.mapping.mapper import CYCLES, Objective
from compiler.mapping.planner import plan_graph
from compiler.mapping.search import refine
from hwsim.cycles import program_cycles
from hwsim.network import load_network
from rtl.config import load_arch
from rtl.counters import COUNTERS
from tests.compiler.shared import MODELS
from tests.system.random_archs import random_arch
from tests.system.random_layers import random_case

TFLITE = MODELS / "onnx_from_tflite"
BEFORE = [
    (TFLITE / "ad01_int8.onnx", (35822, 18620, 10326)),
    (TFLITE / "kws_ref_model.onnx", (57544, 19885, 9855)),
    (TFLITE / "mobilenet_v1_0.25_128_quant.onnx", (350526, 163341, 106043)),
    (TFLITE / "pretrainedResnet_quant.onnx", (199994, 51134, 21436)),
    (TFLITE / "ptq_mnist_lenet-300-100.onnx", (35451, 18465, 10468)),
    ("resnet50", (None, 16445030, 4192081)),
]
"""Cycles on dense-8x8, dense-16x16 and dense-32x32 by the cheapest of a closed form alone."""


@pytest.mark.parametrize(("model", "cycles"), BEFORE, ids=lambda value: getattr(value, "stem", None))
@pytest.mark.parametrize(("index", "arch"), list(enumerate(["dense-8x8", "dense-16x16", "dense-32x32"])))
def test_no_network_takes_longer_than_by_the_heuristic(model, cycles, index, arch):
    if cycles[index] is None:
        pytest.skip("it did not fit")
    if not isinstance(model, str) and not model.is_file():
        pytest.skip(f"no {model}")
    network = load_network(str(model), "nominal" if isinstance(model, str) else None)
    config = load_arch(arch)
    plans = plan_graph(network.graph, config)
    assert program_cycles(compile_plans(network.graph, config, plans), config).cycles <= cycles[index]


def test_a_layer_is_exchanged_only_for_the_better():
    config = load_arch("dense-16x16")
    plans = plan_graph(load_network("digits-cnn").graph, config)
    assert refine(plans, [[] for _ in plans], config, CYCLES) == plans
    assert refine(plans, [[plan] for plan in plans], config, CYCLES) == plans


def test_the_objective_decides():
    """Where nothing costs but reading DRAM, nothing is read twice that need not be; and the other way round."""
    reads = tuple(float(counter.name == "dram_read_bytes") for counter in COUNTERS)
    frugal = Objective("energy", reads)
    index = next(k for k, counter in enumerate(COUNTERS) if counter.name == "dram_read_bytes")
    fewer = 0
    for seed in range(60):
        case, config = random_case(seed, most_macs=6000), random_arch(seed)
        try:
            quick, sparing = plan_graph(case.graph, config), plan_graph(case.graph, config, frugal)
        except ModelError:
            continue
        totals = [
            program_cycles(compile_plans(case.graph, config, plans), config).counters[:, index].sum()
            for plans in (quick, sparing)
        ]
        assert totals[1] <= totals[0]
        fewer += totals[1] < totals[0]
        assert (plan_cycles(quick, config) >= 0).all()
    assert fewer > 0
