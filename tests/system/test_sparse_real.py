"""Real pruned networks on the zero-skipping engine in RTL: no byte, cycle or counter differs.

All but the first test run on `hybrid-16x16-eie-16`, so that its simulator is built once.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import compiler
import hwsim
from compiler.interpreter import interpret
from compiler.ir import Graph, Layout, Port
from hwsim.api import simulate_network
from hwsim.bench.sparse.programs import simulated
from hwsim.network import Network
from hwsim.results import Simulation
from rtl.config import load_arch
from tests.compiler.shared import MODELS
from workloads.digits import data
from workloads.registry import Workload

pytestmark = pytest.mark.slow

ARCH = "hybrid-16x16-eie-16"
SQUEEZENET = MODELS / "squeezenet_dc"
needs_squeezenet = pytest.mark.skipif(
    not SQUEEZENET.is_dir(), reason=f"the compressed SqueezeNet is not at {SQUEEZENET}"
)
RECIPE = """
name: pruned-and-shared
seed: 0
steps:
  - prune: {sparsity: 0.6}
  - share: {bits: 5}
"""


def differences(run: Simulation) -> list[str]:
    """What RTL and models do not agree on, layer by layer."""
    found = [f"{run.rtl_cycles} cycles, predicted {run.model_cycles}"] if run.rtl_cycles != run.model_cycles else []
    found += [] if run.observed_agrees else ["the observed run took other cycles than its model"]
    return found + [
        f"{layer.estimate.name}: {layer.rtl_cycles} cycles of {layer.model_cycles}, {layer.mismatched_bytes} of "
        f"{layer.compared_bytes} bytes, counters {layer.counter_differences}"
        for layer in run.layers
        if not layer.agrees
    ]


@pytest.mark.parametrize("name", ["eie/nt-we", "eie/alex-8"])
def test_a_layer_of_eie(name: str, record_property) -> None:
    run = simulated(name)
    record_property("summary: RTL cycles", run.rtl_cycles)
    assert differences(run) == []
    assert run.agrees
    assert run.compared_bytes > 1000


def test_a_pruned_network_of_digits_from_the_recipe_to_its_class(tmp_path: Path, record_property) -> None:
    recipe, small = tmp_path / "recipe.yaml", tmp_path / "small.onnx"
    recipe.write_text(RECIPE)
    result = hwsim.compress("digits-cnn", recipe, output=small)
    assert result.kept < 0.45 * result.weights
    digits = data.load()
    run = hwsim.simulate(str(small), ARCH, inputs=digits.test_x[:1], engine="sparse")
    record_property("summary: RTL cycles", run.rtl_cycles)
    assert differences(run) == []
    assert run.agrees
    convolutions = [layer.estimate for layer in run.layers if layer.estimate.op in ("conv", "dense")]
    assert {layer.engine for layer in convolutions} == {"sparse"}
    for layer in convolutions:
        assert layer.effective_macs < 0.5 * layer.macs, "zeros of weights or of activations are not skipped"


@needs_squeezenet
def test_layers_of_the_real_squeezenet(record_property) -> None:
    """Its last fire module and its classifier, whose inputs are those of a photograph: the stated subset of layers."""
    with np.load(SQUEEZENET / "squeezenet_dc_golden.npz") as golden:
        photographs = golden["x"]
    graph = compiler.load(SQUEEZENET / "squeezenet_dc.onnx", calibration=photographs)
    reference = interpret(graph, {graph.input_ports[0].name: photographs[:1]})
    tail = [op for op in graph.operators() if op.name.startswith(("fire9", "conv_final"))]
    assert [op.name for op in tail] == [
        "fire9.conv1x1_1_out", "fire9.conv1x1_2_out", "fire9.conv3x3_2_out", "fire9.concat_out", "conv_final_out",
    ]  # fmt: skip
    source, last = tail[0].inputs[0], tail[-1].output
    for op in [op for op in reversed(graph.operators()) if op not in tail]:
        graph.remove(op.name)
    graph.input_ports, graph.output_ports = ((_port(graph, tensor),) for tensor in (source, last))
    graph.drop_unused()
    graph.verify()
    network = Network("squeezenet-tail", graph, Workload(name="squeezenet-tail", description=""))
    run = simulate_network(network, load_arch(ARCH), {source: reference[source]}, engine="sparse")
    record_property("summary: RTL cycles", run.rtl_cycles)
    assert differences(run) == []
    assert run.agrees
    engines = {layer.estimate.name: layer.estimate.engine for layer in run.layers}
    assert {engines[op.name] for op in tail if op.name != "fire9.concat_out"} == {"sparse"}


def _port(graph: Graph, tensor: str) -> Port:
    height, width, channels = graph.tensor(tensor).shape
    return Port(tensor, tensor, np.dtype(np.int8), Layout.natural((1, channels, height, width)))
