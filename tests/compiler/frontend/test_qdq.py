"""Models whose tensors are quantised between QuantizeLinear and DequantizeLinear become integer operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import compiler
from compiler.errors import ModelError
from compiler.ir import Add, Conv, Graph, Host, Layout, Pool, PoolKind, QuantParams
from tests.compiler.builders import kinds, model, op, save
from tests.compiler.frontend.runtime import against_onnxruntime


def qdq(core: list, x: tuple[int, ...], constants: dict, *, x_type: type = np.uint8, opset: int = 13) -> object:
    """``core`` reads the dequantised ``r`` and writes ``f``, which is quantised to ``y``.

    uint8, because ONNX Runtime computes int8 networks in float on x86, where ties go either way.
    """
    nodes = [op("DequantizeLinear", "x sx zx", "r"), *core, op("QuantizeLinear", "f sy zy", "y")]
    zeros = {"zx": x_type(3), "zy": x_type(7)}
    return model(nodes, {"x": (x, x_type)}, {"y": x_type}, {"sx": 0.05, "sy": 0.1, **zeros, **constants}, opset=opset)


def layer(graph: Graph) -> Conv:
    (found,) = [op for op in graph.operators() if isinstance(op, Conv)]
    return found


WEIGHTS = np.random.default_rng(3).integers(-127, 128, (6, 4, 3, 3)).astype(np.int8)
CONV = [op("DequantizeLinear", "w sw", "v", axis=0), op("Conv", "r v", "f", pads=[1, 0, 2, 1], strides=[2, 1])]
PER_CHANNEL = {"w": WEIGHTS, "sw": np.linspace(0.01, 0.02, 6, dtype=np.float32)}


@pytest.mark.parametrize("x_type", [np.int8, np.uint8])
def test_qdq_convolution_equals_onnxruntime(x_type: type, tmp_path: Path):
    exact = x_type == np.uint8
    proto = qdq(CONV, (1, 4, 7, 9), PER_CHANNEL, x_type=x_type)
    graph = against_onnxruntime(proto, tmp_path, tolerance=0 if exact else 1)
    assert layer(graph).pads == (1, 0, 2, 1)


def test_asymmetric_weights_are_centred(tmp_path: Path):
    weights = np.random.default_rng(3).integers(0, 256, (6, 4, 3, 3)).astype(np.uint8)
    core = [op("DequantizeLinear", "w sw zw", "v"), op("Conv", "r v", "f", kernel_shape=[3, 3])]
    proto = qdq(core, (1, 4, 7, 9), {"w": weights, "sw": 0.005, "zw": np.uint8(140)})
    found = layer(against_onnxruntime(proto, tmp_path)).weights
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, weights.transpose(2, 3, 1, 0).astype(int) - 140)


def test_one_dimensional_convolution_is_a_row(tmp_path: Path):
    core = [op("DequantizeLinear", "w sw", "v", axis=0), op("Conv", "r v", "f", pads=[1, 2], dilations=[2])]
    constants = {"w": WEIGHTS[..., 0].copy(), "sw": PER_CHANNEL["sw"]}
    assert layer(against_onnxruntime(qdq(core, (1, 4, 20), constants), tmp_path)).weights.shape == (1, 3, 4, 6)


def test_flattened_input_permutes_the_weights_of_a_dense_layer(tmp_path: Path):
    """NCHW flattens channel by channel; our tensor is channels last. The pool keeps the input from being laid anew."""
    core = [
        op("MaxPool", "r", "p", kernel_shape=[2, 2]),
        op("QuantizeLinear", "p sx zx", "pq"),
        op("DequantizeLinear", "pq sx zx", "pr"),
        op("Flatten", "pr", "flat"),
        op("DequantizeLinear", "w sw", "v"),
        op("MatMul", "flat v", "f"),
    ]
    weights = np.random.default_rng(0).integers(-127, 128, (4 * 2 * 3, 5)).astype(np.int8)
    graph = against_onnxruntime(qdq(core, (1, 4, 3, 4), {"w": weights, "sw": 0.001}), tmp_path)
    assert kinds(graph) == ["Pool", "Conv"]
    np.testing.assert_array_equal(layer(graph).weights, weights.reshape(4, 2, 3, 5).transpose(1, 2, 0, 3))


def test_a_flattened_model_input_is_laid_as_a_vector(tmp_path: Path):
    core = [op("Flatten", "r", "flat"), op("DequantizeLinear", "w sw", "v"), op("Gemm", "flat v", "f", transB=1)]
    weights = np.random.default_rng(0).integers(-127, 128, (5, 24)).astype(np.int8)
    graph = against_onnxruntime(qdq(core, (1, 4, 2, 3), {"w": weights, "sw": 0.01}), tmp_path)
    assert graph.tensor("x").shape == (1, 1, 24)


def test_a_channels_last_model_input_needs_no_transpose(tmp_path: Path):
    core = [op("Transpose", "r", "t", perm=[0, 3, 1, 2]), *CONV[:1], op("Conv", "t v", "f", kernel_shape=[3, 3])]
    graph = against_onnxruntime(qdq(core, (1, 7, 9, 4), PER_CHANNEL), tmp_path)
    assert kinds(graph) == ["Conv"]
    assert graph.tensor("x").shape == (7, 9, 4)
    assert graph.input_ports[0].layout.same(Layout(np.arange(7 * 9 * 4, dtype=np.int32).reshape(1, 7, 9, 4)))


def test_rows_of_a_matrix_product_lie_along_the_width(tmp_path: Path):
    core = [op("DequantizeLinear", "w sw", "v"), op("MatMul", "r v", "f")]
    weights = np.random.default_rng(0).integers(-127, 128, (16, 5)).astype(np.int8)
    graph = against_onnxruntime(qdq(core, (12, 16), {"w": weights, "sw": 0.01}), tmp_path)
    assert graph.tensor("x").shape == (1, 12, 16)
    assert layer(graph).weights.shape == (1, 1, 16, 5)


def test_fused_bounds_are_in_quantised_units(tmp_path: Path):
    core = [CONV[0], op("Conv", "r v", "c", kernel_shape=[3, 3]), op("Clip", "c lo hi", "f")]
    graph = against_onnxruntime(qdq(core, (1, 4, 7, 9), {**PER_CHANNEL, "lo": -1.0, "hi": 6.0}), tmp_path)
    assert (layer(graph).requantize.low, layer(graph).requantize.high) == (-128, 67 - 128)


def test_bias_of_another_scale_is_brought_to_the_accumulators(tmp_path: Path):
    core = [op("DequantizeLinear", "w sw", "v"), op("DequantizeLinear", "b sb", "c"), op("Conv", "r v c", "f")]
    constants = {"w": WEIGHTS, "sw": 0.01, "b": np.arange(6, dtype=np.int32) * 100, "sb": 0.0005 * 3}
    graph = compiler.load(save(qdq(core, (1, 4, 7, 9), constants), tmp_path))  # type: ignore[arg-type]
    np.testing.assert_array_equal(layer(graph).bias, np.arange(6) * 300)


def test_residual_addition_is_the_later_convolutions(tmp_path: Path):
    core = [
        *CONV[:1],
        op("Conv", "r v", "a", kernel_shape=[3, 3]),
        op("QuantizeLinear", "a sy zy", "aq"),
        op("DequantizeLinear", "aq sy zy", "ar"),
        op("Conv", "r v", "b", kernel_shape=[3, 3]),
        op("QuantizeLinear", "b sx zx", "bq"),
        op("DequantizeLinear", "bq sx zx", "br"),
        op("Add", "br ar", "s"),
        op("Relu", "s", "f"),
    ]
    graph = against_onnxruntime(qdq(core, (1, 4, 7, 9), PER_CHANNEL), tmp_path, tolerance=1)
    first, second = (op for op in graph.operators() if isinstance(op, Conv))
    assert first.residual is None
    assert second.residual is not None
    assert second.inputs == ("x", "aq")
    assert second.residual.low == 7 - 128
    assert not [op for op in graph.operators() if isinstance(op, Add)]


def test_concatenation_rescales_what_has_another_scale(tmp_path: Path):
    core = [op("MaxPool", "r", "p", kernel_shape=[1, 1]), op("Concat", "p r", "f", axis=1)]
    proto = qdq(core, (1, 4, 3, 3), {})
    graph = against_onnxruntime(proto, tmp_path, tolerance=0)
    assert kinds(graph)[-1] == "Concat"


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        (op("MaxPool", "r", "f", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), PoolKind.MAX),
        (op("MaxPool", "r", "f", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1), PoolKind.MAX),
        (op("MaxPool", "r", "f", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"), PoolKind.MAX),
        (op("AveragePool", "r", "f", kernel_shape=[2, 2], strides=[2, 2]), PoolKind.AVERAGE),
        (op("AveragePool", "r", "f", kernel_shape=[8, 8]), PoolKind.GLOBAL),
        (op("GlobalAveragePool", "r", "f"), PoolKind.GLOBAL),
        (op("ReduceMean", "r", "f", axes=[2, 3]), PoolKind.GLOBAL),
        (op("Relu", "r", "f"), PoolKind.MAX),
    ],
)
def test_pools_run_on_the_accelerator(node: object, kind: PoolKind, tmp_path: Path):
    graph = against_onnxruntime(qdq([node], (1, 4, 8, 8), {}), tmp_path, tolerance=1)
    (pool,) = graph.operators()
    assert isinstance(pool, Pool)
    assert pool.kind is kind


@pytest.mark.parametrize(
    "node",
    [
        op("Sigmoid", "r", "f"),
        op("AveragePool", "r", "f", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        op("Mul", "r r", "f"),
        op("Transpose", "r", "f", perm=[0, 2, 1, 3]),
    ],
    ids=lambda node: node.op_type,
)
def test_what_the_accelerator_lacks_runs_on_the_host_and_says_why(node: object, tmp_path: Path):
    core = [node, op("QuantizeLinear", "f sy zy", "g"), op("DequantizeLinear", "g sy zy", "h")]
    tail = [op("MaxPool", "h", "m", kernel_shape=[2, 2])]
    nodes = [op("DequantizeLinear", "x sx zx", "r"), *core, *tail, op("QuantizeLinear", "m sy zy", "y")]
    first = [op("MaxPool", "q", "x", kernel_shape=[1, 1])]
    proto = model(
        [*first, *nodes],
        {"q": ((1, 4, 8, 8), np.int8)},
        {"y": np.int8},
        {"sx": 0.05, "sy": 0.3, "zx": np.int8(3), "zy": np.int8(-4)},
    )
    graph = against_onnxruntime(proto, tmp_path, tolerance=1)
    hosts = [op for op in graph.operators() if isinstance(op, Host)]
    assert hosts
    assert all(host.reason for host in hosts)


def test_scales_of_a_quantised_model_are_its_own(tmp_path: Path):
    path = save(qdq(CONV, (1, 4, 7, 9), PER_CHANNEL), tmp_path)  # type: ignore[arg-type]
    assert compiler.load(path).tensor("y").quant == QuantParams(float(np.float32(0.1)), 7 - 128)
    with pytest.raises(ModelError, match=r"the model is quantised already and keeps its scales"):
        compiler.load(path, calibration="random")


def test_an_accumulator_that_could_overflow_is_refused(tmp_path: Path):
    core = [op("DequantizeLinear", "w sw", "v"), op("MatMul", "r v", "f")]
    weights = np.full((60000, 2), 127, np.int8)
    path = save(qdq(core, (1, 60000), {"w": weights, "sw": 0.01}), tmp_path)  # type: ignore[arg-type]
    assert len(compiler.load(path)) == 1
    weights = np.full((140000, 2), 127, np.int8)
    path = save(qdq(core, (1, 140000), {"w": weights, "sw": 0.01}), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"node 'f' \(FullyConnected\): its accumulator can reach \d+, beyond 32 bits"):
        compiler.load(path)
