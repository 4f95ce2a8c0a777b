"""The builders against what their papers, and the frameworks' own versions, count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from workloads import builders
from workloads.builders import Weights
from workloads.onnx_graph import OnnxGraph
from workloads.reference import compression

Build = Callable[[], onnx.ModelProto]

ALL: dict[str, Callable[..., onnx.ModelProto]] = {
    "gru": builders.gru,
    "lenet-300-100": builders.lenet_300_100,
    "lenet-5": builders.lenet_5,
    "lstm": builders.lstm,
    "mobilenet-v1": partial(builders.mobilenet_v1, 0.25, 96),
    "mobilenet-v2": partial(builders.mobilenet_v2, 0.35, 96),
    "transformer-block": builders.transformer_block,
    "xception": partial(builders.xception, 71),
}


def shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    known = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    return known | {t.name: tuple(t.dims) for t in model.graph.initializer}


def macs(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of convolutions and matrix products."""
    shape, total = shapes(model), 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += prod(shape[node.output[0]]) * prod(shape[node.input[1]][1:])
        elif node.op_type == "Gemm":
            total += prod(shape[node.input[1]])
        elif node.op_type == "MatMul":
            total += prod(shape[node.output[0]]) * shape[node.input[0]][-1]
    return total


def sizes(model: onnx.ModelProto, suffix: str) -> dict[str, int]:
    """Elements of each parameter whose name ends so, by layer."""
    return {n.removesuffix(suffix): prod(s) for n, s in shapes(model).items() if n.endswith(suffix)}


@pytest.mark.parametrize("build", ALL.values(), ids=ALL)
@pytest.mark.parametrize("weights", Weights)
def test_runs_in_onnx_runtime(build: Callable[..., onnx.ModelProto], weights: Weights) -> None:
    model = build(weights=weights)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (port,) = session.get_inputs()
    x = np.random.default_rng(0).standard_normal(port.shape, np.float32)
    (y,) = session.run(None, {port.name: x})
    assert np.isfinite(np.asarray(y)).all()


@pytest.mark.parametrize("build", ALL.values(), ids=ALL)
def test_every_tensor_has_a_shape(build: Build) -> None:
    model = build()
    known = shapes(model)
    for node in model.graph.node:
        for tensor in filter(None, node.output):
            assert known[tensor], f"{tensor} has no shape"
            assert min(known[tensor]) > 0


@pytest.mark.parametrize("build", ALL.values(), ids=ALL)
def test_light_models_are_light(build: Build) -> None:
    assert build().ByteSize() < 200_000


@pytest.mark.parametrize("build", ALL.values(), ids=ALL)
def test_built_twice_is_the_same(build: Callable[..., onnx.ModelProto]) -> None:
    assert build(weights=Weights.SEEDED) == build(weights=Weights.SEEDED)


# Multiply-accumulates: the papers' 569 M, 300 M and 8.4 G, to the last one. Parameters: Keras' trainable 4,231,976 and
# 22,855,952, torchvision's 3,504,872 for v2; less one per normalised channel, since a folded norm has only a bias.
@pytest.mark.parametrize(
    ("build", "expected_macs", "parameters"),
    [
        (builders.mobilenet_v1, 568_740_352, 4_231_976 - 10_944),
        (builders.mobilenet_v2, 300_774_272, 3_504_872 - 17_056),
        (builders.xception, 8_357_403_496, 22_855_952 - 27_264),
    ],
    ids=["mobilenet-v1", "mobilenet-v2", "xception"],
)
def test_counts_of_the_papers(build: Build, expected_macs: int, parameters: int) -> None:
    model = build()
    assert macs(model) == expected_macs
    assert sum(sizes(model, ".weight").values()) + sum(sizes(model, ".bias").values()) == parameters


@pytest.mark.parametrize("network", ["LeNet-300-100", "LeNet-5"])
def test_lenets_have_the_published_layers(network: str) -> None:
    build = builders.lenet_300_100 if network == "LeNet-300-100" else builders.lenet_5
    published = [row for row in compression.HAN2015_LAYERS.rows() if row.network == network and row.layer != "Total"]
    ours = sizes(build(), ".weight")
    assert list(ours) == [row.layer for row in published]
    for row in published:
        # The paper rounds to thousands, and half a thousand.
        assert ours[row.layer] == pytest.approx(row.weights, abs=500)


def test_lenet_5_does_the_published_work() -> None:
    shape = shapes(model := builders.lenet_5())
    ours = {
        n.name: 2 * prod(shape[n.output[0]]) * prod(shape[n.input[1]][1:])
        for n in model.graph.node
        if n.op_type == "Conv"
    }
    assert ours == {
        row.layer: row.flop
        for row in compression.HAN2015_LAYERS.rows()
        if row.network == "LeNet-5" and row.layer in ours
    }


def test_transformer_multiplies_activations() -> None:
    model = builders.transformer_block()
    weights = {n.output[0] for n in model.graph.node if n.op_type == "ConstantOfShape"}
    products = [n for n in model.graph.node if n.op_type == "MatMul"]
    assert [n.name for n in products if not weights & set(n.input)] == ["scores", "mixed"]
    assert len(products) == 8


def test_transformer_wants_whole_heads() -> None:
    with pytest.raises(ValueError, match=r"^transformer_block: width 10 is not a multiple of 4 heads$"):
        builders.transformer_block(width=10)


def test_mobilenet_width_scales_by_eights() -> None:
    channels = [s[0] for name, s in shapes(builders.mobilenet_v1(0.25)).items() if name.endswith(".bias")]
    assert channels[:4] == [8, 8, 16, 16]
    assert channels[-2:] == [256, 1000]


def test_seeded_weights_have_he_variance() -> None:
    model = builders.lenet_5(weights=Weights.SEEDED)
    (fc1,) = [numpy_helper.to_array(t) for t in model.graph.initializer if t.name == "fc1.weight"]
    assert fc1.std() == pytest.approx(np.sqrt(2 / 800), rel=0.01)


class TestOnnxGraph:
    def test_one_name_is_one_constant(self) -> None:
        graph = OnnxGraph("g")
        graph.scalar("six", 6.0)
        graph.scalar("six", 6.0)
        with pytest.raises(ValueError, match=r"^g: constant 'six' is defined twice with different values$"):
            graph.scalar("six", 7.0)

    def test_an_invalid_graph_is_not_handed_out(self) -> None:
        graph = OnnxGraph("g")
        graph.output(graph.node("Relu", ["nothing"], "y"), (1,))
        with pytest.raises(onnx.checker.ValidationError, match="nothing"):
            graph.model()

    def test_shapes_must_agree(self) -> None:
        graph = OnnxGraph("g")
        x = graph.input("x", (1, 3))
        graph.output(graph.node("MatMul", [x, graph.constant("w", np.ones((4, 2), np.float32))], "y"), (1, 2))
        with pytest.raises(onnx.shape_inference.InferenceError, match="Incompatible dimensions"):
            graph.model()

    def test_operators_of_a_graph_are_in_order_of_writing(self) -> None:
        operators = Counter(n.op_type for n in builders.lstm().graph.node)
        assert operators == {"ConstantOfShape": 3, "LSTM": 1, "Squeeze": 1, "Gemm": 1}
