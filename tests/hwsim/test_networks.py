"""Every network that has a name: it loads, it is mapped, what runs on the host is told; and its bytes are right.

The bytes are those of the functional machine, with the host's operators in between: no RTL, and no timing.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import compiler
from compiler.interpreter import bind_inputs, execute, interpret
from compiler.ir import Graph
from compiler.mapping.compile import compile_graph
from compiler.mapping.engines import Preference
from compiler.program.program import HostStep
from hwsim.api import estimate, estimate_program, random_inputs
from hwsim.cycles import program_cycles
from hwsim.functional import Machine
from hwsim.network import Network, load_network
from rtl.config import ArchConfig, load_arch
from tests.compiler.builders import model, op, rand, save
from tests.compiler.shared import MODELS, needs_models
from workloads import builders
from workloads.registry import Workload, resolve

LARGE = load_arch("dense-32x32")
SMALL = load_arch("dense-8x8")

GELU = {"Div": 1, "Erf": 1, "Add": 1, "Mul": 2}
ON_THE_HOST = {
    "alexnet": {"LRN": 2, "Softmax": 1},
    "gru": {"GRUHidden": 49},
    "inception-v1": {"LRN": 2, "AveragePool": 1, "Softmax": 1},
    "inception-v2": {"AveragePool": 7, "Softmax": 1},
    "lenet-300-100": {"Softmax": 1},
    "lenet-5": {"Softmax": 1},
    "lstm": {"LSTMCell": 49, "LSTMHidden": 49},
    "mobilenet-v1": {"Softmax": 1},
    "mobilenet-v2": {"Softmax": 1},
    "resnet50": {"Softmax": 1},
    "shufflenet": {"AveragePool": 3, "Softmax": 1},
    "squeezenet": {"Softmax": 1},
    # the transpose is that of the keys
    "transformer-block": {"LayerNormalization": 2, "Softmax": 1, "Transpose": 1, **GELU},
    "zfnet512": {"LRN": 2, "Softmax": 1},
}
SLOW = {"densenet121": {}, "vgg19": {"Softmax": 1}, "xception": {"Softmax": 1}}

MACS = {
    # He et al., arXiv:1512.03385, table 1: 3.8 G for the convolutions; the projections and the classifier beside them
    "resnet50": (3.8e9, 4.2e9),
    # Howard et al., arXiv:1704.04861, table 8; Sandler et al., arXiv:1801.04381, table 4
    "mobilenet-v1": (565e6, 575e6),
    "mobilenet-v2": (298e6, 305e6),
    # Zhang et al., arXiv:1707.01083, table 2: ShuffleNet 1x with 3 groups, 137 M, and what their text leaves out
    "shufflenet": (120e6, 150e6),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [*ON_THE_HOST.items(), *(pytest.param(*item, marks=pytest.mark.slow) for item in SLOW.items())],
)
def test_named_networks_are_estimated(name: str, expected: dict[str, int]):
    result = estimate(name, LARGE)
    assert Counter(step.op for step in result.host_steps) == expected
    assert result.cycles == sum(layer.cycles for layer in result.layers) > 0
    assert any("values mean nothing" in note for note in result.notes), "synthetic weights are said to be so"
    low, high = MACS.get(name, (0, np.inf))
    assert low <= result.macs <= high


def functional(graph: Graph, config: ArchConfig, seed: int = 0, engine: Preference = "cheapest") -> list[str]:
    """The tensors in which the functional machine, and the host, differ from the interpreter."""
    values = bind_inputs(graph, random_inputs(graph, seed))
    reference = interpret(graph, random_inputs(graph, seed))
    observed = {operator.output for operator in graph.operators()}
    program = compile_graph(graph, config, observe=observed, engine=engine)
    operators = {operator.name: operator for operator in graph.operators()}
    image = program.image.copy()
    for step in program.steps:
        if isinstance(step, HostStep):
            operator = operators[step.operator]
            values[operator.output] = execute(graph, operator, values)
            continue
        for name in program.tensors:
            if name in values:
                program.place(image, name, values[name])
        Machine(config, image[: program.window_bytes]).run(step.instructions)
        values |= {name: program.fetch(image, name) for name in program.tensors}
    assert set(values) == {*graph.inputs, *operators_outputs(graph)}
    return [name for name, value in values.items() if not np.array_equal(value, reference[name])]


def operators_outputs(graph: Graph) -> set[str]:
    return {operator.output for operator in graph.operators()}


SEEDED = builders.Weights.SEEDED
KINDS = {
    "depthwise": lambda: builders.mobilenet_v2(width=0.35, size=32, weights=SEEDED),
    "attention": lambda: builders.transformer_block(tokens=9, width=24, heads=3, weights=SEEDED),
    "lstm": lambda: builders.lstm(steps=4, features=10, hidden=12, weights=SEEDED),
    "gru": lambda: builders.gru(steps=4, features=10, hidden=12, weights=SEEDED),
    "lenet": lambda: builders.lenet_5(weights=SEEDED),
}
SHUFFLING = [
    op("Conv", "x w", "a", group=3),
    op("Reshape", "a five", "r"),
    op("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
    op("Reshape", "t four", "s"),
    op("Conv", "s d", "b", group=24, strides=[2, 2], pads=[1, 1, 1, 1]),
    op("LRN", "b", "l", size=5),
    op("AveragePool", "x", "p", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    op("Split", "l sizes", "u v", axis=1),
    op("Concat", "v p u", "y", axis=1),
]
WEIGHTS = {
    "w": rand(24, 4, 1, 1), "d": rand(24, 1, 3, 3), "five": np.array([1, 3, 8, 9, 9]), "four": np.array([1, 24, 9, 9]),
    "sizes": np.array([15, 9]),
}  # fmt: skip


@pytest.mark.parametrize("config", [SMALL, load_arch("dense-16x16")], ids=lambda config: config.name)
@pytest.mark.parametrize("kind", [*KINDS, "shuffle"])
def test_bytes_are_the_interpreters(kind: str, config: ArchConfig, tmp_path: Path):
    proto = KINDS[kind]() if kind in KINDS else model(SHUFFLING, {"x": (1, 12, 9, 9)}, "y", WEIGHTS)
    graph = compiler.load(save(proto, tmp_path), calibration="random")
    assert functional(graph, config) == []


@needs_models
@pytest.mark.slow
def test_bytes_of_a_pruned_squeezenet():
    graph = compiler.load(MODELS / "squeezenet_dc" / "squeezenet_dc.onnx", calibration="random")
    assert functional(graph, LARGE) == []


@needs_models
@pytest.mark.slow
def test_bytes_of_a_pruned_squeezenet_on_the_sparse_engine():
    """Its weights take 255 values a layer, and stay shared when they are quantised: all convolutions run compressed."""
    graph = compiler.load(MODELS / "squeezenet_dc" / "squeezenet_dc.onnx", calibration="random")
    config = load_arch("hybrid-16x16-eie-16")
    layers = compile_graph(graph, config, engine="sparse").layers
    assert {layer.engine for layer in layers if layer.op == "conv"} == {"sparse"}
    assert functional(graph, config, engine="sparse") == []


@needs_models
@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_2W2A"])
def test_bytes_of_networks_of_few_bits(name: str):
    assert functional(compiler.load(MODELS / "qonnx" / f"{name}.onnx"), SMALL) == []


def test_traffic_of_the_host_is_counted(tmp_path: Path):
    nodes = [op("Conv", "x w", "a"), op("Sigmoid", "a", "s"), op("Mul", "s k", "m"), op("Conv", "m w", "y")]
    constants = {"w": rand(4, 4, 1, 1), "k": rand(1, 4, 6, 6)}
    graph = compiler.load(save(model(nodes, {"x": (1, 4, 6, 6)}, "y", constants), tmp_path), calibration="random")
    program = compile_graph(graph, SMALL)
    network = Network("test", graph, Workload(name="test", description=""))
    result = estimate_program(network, program, SMALL, program_cycles(program, SMALL))
    steps = {step.op: (step.read_bytes, step.write_bytes) for step in result.host_steps}
    size = 4 * 6 * 6
    assert steps == {"Sigmoid": (size, 4 * size), "Mul": (4 * size + 4 * size, size)}
    assert result.to_json()["host_steps"][0]["reason"] == "the accelerator has no exponential"


def test_a_step_reads_its_row_of_the_product_for_all_steps():
    network = load_network("lstm")
    steps = [step for step in compile_graph(network.graph, LARGE).steps if isinstance(step, HostStep)]
    cell = next(step for step in steps if step.operator.startswith("lstm/step7/") and step.op_type == "LSTMCell")
    assert (cell.read_bytes, cell.write_bytes) == (512 + 512 + 4 * 128, 4 * 128)


def test_synthetic_weights_are_not_calibrated_unless_asked():
    assert "nominal" not in str(load_network("lenet-5", "random").graph.notes)
    assert resolve("lenet-5").synthetic
    assert load_network("digits-mlp").graph.notes == ()
