from __future__ import annotations

import numpy as np
import pytest

from compiler.interpreter import accumulate, bind_inputs, execute, interpret, read_outputs
from compiler.ir import (
    Add,
    Concat,
    Conv,
    Graph,
    Layout,
    Pool,
    PoolKind,
    Port,
    QuantParams,
    Requantize,
    Tensor,
)
from compiler.numerics import apply_residual, residual
from tests.compiler import oracle

ONE = Requantize(np.float32([1.0]), 0)
INT8 = np.dtype(np.int8)


def random_conv(rng: np.random.Generator) -> tuple[Conv, np.ndarray]:
    """A layer weighted to corners: 1x1, depthwise, dilated, uneven padding, extreme values."""
    kind = rng.choice(["dense", "depthwise", "grouped", "pointwise"])
    groups = {"depthwise": int(rng.integers(1, 20)), "grouped": int(rng.integers(2, 4))}.get(str(kind), 1)
    depth = 1 if kind == "depthwise" else int(rng.choice([1, 3, 8, 17, 64]))
    filters = groups * int(rng.choice([1, 2, 5, 16]) if kind != "depthwise" else rng.choice([1, 1, 2]))
    kernel = (1, 1) if kind == "pointwise" else tuple(int(k) for k in rng.choice([1, 2, 3, 5], 2))
    wide = rng.random() < 0.3
    limit = 255 if wide else 127
    span = [(0, 255), (-255, 0), (-120, 135)][int(rng.integers(3))] if wide else (-limit, limit)
    extreme = rng.random() < 0.2
    shape = (*kernel, depth, filters)
    weights = rng.choice(span, shape) if extreme else rng.integers(span[0], span[1] + 1, shape)
    layer = Conv(
        "layer",
        ("x",),
        "y",
        weights.astype(np.int16),
        rng.integers(-5000, 5000, filters).astype(np.int32),
        int(rng.choice([-128, 0, 127, int(rng.integers(-128, 128))])),
        oracle.rule(filters if rng.random() < 0.7 else 1, int(np.prod(kernel)) * depth * (2 if wide else 1), rng),
        strides=tuple(int(s) for s in rng.choice([1, 1, 2, 3], 2)),
        pads=tuple(int(p) for p in rng.integers(0, 3, 4)),
        dilations=tuple(int(d) for d in rng.choice([1, 1, 2], 2)),
        groups=groups,
    )
    size = [int(d * (k - 1) + 1 + rng.integers(0, 9)) for k, d in zip(kernel, layer.dilations, strict=True)]
    values = (
        rng.choice([-128, 127], (*size, depth * groups))
        if extreme
        else rng.integers(-128, 128, (*size, depth * groups))
    )
    return layer, values.astype(np.int8)


@pytest.mark.parametrize("seed", range(120))
def test_convolution_equals_onnxruntime(seed: int):
    layer, x = random_conv(np.random.default_rng(seed))
    want = oracle.conv(layer, x)
    np.testing.assert_array_equal(execute(Graph(), layer, {"x": x}), want)


def test_saturating_cpus_would_be_seen():
    """CPUs without VNNI add pairs of u8 x s8 products in 16 bits; bytes of this layer then differ from ours."""
    layer = Conv(
        "l",
        ("x",),
        "y",
        np.full((1, 1, 64, 1), 127, np.int16),
        np.zeros(1, np.int32),
        -128,
        Requantize(np.float32([2.0**-14]), -128),
    )
    x = np.full((4, 4, 64), 127, np.int8)
    np.testing.assert_array_equal(execute(Graph(), layer, {"x": x}), oracle.conv(layer, x))


@pytest.mark.parametrize("seed", range(30))
def test_fully_connected_equals_onnxruntime(seed: int):
    rng = np.random.default_rng(seed)
    depth, filters = int(rng.choice([1, 7, 64, 640, 1000])), int(rng.choice([1, 3, 10, 128]))
    wide = rng.random() < 0.3
    weights = rng.integers(-200 if wide else -127, 56 if wide else 128, (1, 1, depth, filters)).astype(np.int16)
    bias = rng.integers(-9000, 9000, filters) * int(rng.random() < 0.7)
    layer = Conv(
        "l",
        ("x",),
        "y",
        weights,
        bias.astype(np.int32),
        int(rng.integers(-128, 128)),
        oracle.rule(1 if wide or not bias.any() else filters, depth, rng),
    )
    x = rng.integers(-128, 128, (1, 1, depth)).astype(np.int8)
    np.testing.assert_array_equal(execute(Graph(), layer, {"x": x}), oracle.matmul(layer, x))


@pytest.mark.parametrize("seed", range(12))
def test_global_average_equals_onnxruntime(seed: int):
    rng = np.random.default_rng(seed)
    have, out = (QuantParams(float(np.float32(rng.uniform(0.01, 0.1))), int(rng.integers(-128, 128))) for _ in "xy")
    x = rng.integers(-128, 128, (int(rng.integers(1, 9)), int(rng.integers(1, 9)), 5)).astype(np.int8)
    scale = np.float32(have.scale) / (np.float32(out.scale) * np.float32(x.shape[0] * x.shape[1]))
    rule = Requantize(np.float32([scale]), out.zero_point)
    pool = Pool("p", ("x",), "y", PoolKind.GLOBAL, x.shape[:2], have.zero_point, rule)
    np.testing.assert_array_equal(execute(Graph(), pool, {"x": x}), oracle.global_average(pool, x, have, out))


def test_fully_connected_after_a_flatten_covers_its_whole_input():
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (3, 4, 5, 6)).astype(np.int16)
    layer = Conv("l", ("x",), "y", weights, np.zeros(6, np.int32), 3, ONE)
    x = rng.integers(-128, 128, (3, 4, 5)).astype(np.int8)
    want = ((x.astype(int) - 3).reshape(-1) @ weights.reshape(-1, 6)).reshape(1, 1, 6)
    np.testing.assert_array_equal(accumulate(layer, x), want)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("zero_point", [0, -128, 5])
def test_one_window_is_the_sum_of_its_products_however_many_inputs_are_zero(share: float, zero_point: int):
    rng = np.random.default_rng(1)
    weights = rng.integers(-127, 128, (2, 3, 5, 7)).astype(np.int16)
    x = np.where(rng.random((2, 3, 5)) < share, rng.integers(-128, 128, (2, 3, 5)), zero_point).astype(np.int8)
    layer = Conv("layer", ("x",), "y", weights, np.arange(7, dtype=np.int32), zero_point, ONE)
    expected = np.tensordot(x.astype(np.int64) - zero_point, weights.astype(np.int64), 3) + layer.bias
    np.testing.assert_array_equal(accumulate(layer, x), expected.reshape(1, 1, 7))


def test_padding_is_the_input_zero_point():
    layer = Conv("l", ("x",), "y", np.ones((3, 3, 1, 1), np.int16), np.zeros(1, np.int32), 7, ONE, pads=(1, 1, 1, 1))
    np.testing.assert_array_equal(accumulate(layer, np.full((2, 2, 1), 7, np.int8)), np.zeros((2, 2, 1)))


def test_max_pool_ignores_padding():
    pool = Pool("p", ("x",), "y", PoolKind.MAX, (3, 3), 0, ONE, (2, 2), (1, 1, 1, 1))
    x = np.arange(-100, -91, dtype=np.int8).reshape(3, 3, 1)
    np.testing.assert_array_equal(execute(Graph(), pool, {"x": x})[..., 0], [[-96, -95], [-93, -92]])


def test_average_pool_divides_by_the_whole_window():
    pool = Pool(
        "p", ("x",), "y", PoolKind.AVERAGE, (2, 2), 10, Requantize(np.float32([0.25]), 10), (2, 2), (0, 0, 1, 1)
    )
    x = np.full((3, 3, 1), 18, np.int8)
    np.testing.assert_array_equal(execute(Graph(), pool, {"x": x})[..., 0], [[18, 14], [14, 12]])


def test_residual_follows_requantisation():
    rule = residual("r", QuantParams(0.5, 1), QuantParams(0.25, -3), QuantParams(0.5, 0), low=0)
    layer = Conv("l", ("x", "r"), "y", np.ones((1, 1, 1, 1), np.int16), np.zeros(1, np.int32), 0, ONE, residual=rule)
    x, r = np.array([[[5], [-90]]], np.int8), np.array([[[1], [7]]], np.int8)
    got = execute(Graph(), layer, {"x": x, "r": r})
    np.testing.assert_array_equal(got, apply_residual(x, r, rule))
    np.testing.assert_array_equal(got[0, :, 0], [6, 0])


def small_graph(dtype: type = np.float32) -> Graph:
    """``[1, 2, 1, 3]`` NCHW in; doubled by an addition, then concatenated with itself."""
    quant = QuantParams(0.5, 1)
    graph = Graph()
    for name, shape in (("x", (1, 3, 2)), ("y", (1, 3, 2)), ("z", (1, 3, 4))):
        graph.add_tensor(Tensor(name, shape, INT8, quant))
    graph.add(Add("add", ("x", "x"), "y", residual("x", quant, quant, quant)))
    graph.add(Concat("join", ("y", "x"), "z"))
    graph.input_ports = (Port("image", "x", np.dtype(dtype), Layout.natural((1, 2, 1, 3))),)
    graph.output_ports = (Port("out", "z", np.dtype(dtype), Layout.natural((1, 4, 1, 3))),)
    graph.verify()
    return graph


IMAGE = np.array([[[[1.0, 2.0, 3.0]], [[-1.0, -2.0, -3.0]]]], np.float32)


def test_inputs_and_outputs_are_in_the_models_own_layout_and_type():
    graph = small_graph()
    values = interpret(graph, {"image": IMAGE})
    np.testing.assert_array_equal(values["x"][0], [[3, -1], [5, -3], [7, -5]])
    np.testing.assert_array_equal(read_outputs(graph, values)["out"], np.concatenate([2 * IMAGE, IMAGE], axis=1))


def test_an_input_of_the_tensors_own_shape_is_taken_as_it_is():
    x = np.array([[[3, -1], [5, -3], [7, -5]]], np.int8)
    np.testing.assert_array_equal(interpret(small_graph(), {"image": x})["x"], x)


def test_uint8_ports_shift_by_128():
    graph = small_graph(np.uint8)
    x = np.arange(120, 126, dtype=np.uint8).reshape(1, 2, 1, 3)
    values = interpret(graph, {"image": x})
    np.testing.assert_array_equal(values["x"][0], [[-8, -5], [-7, -4], [-6, -3]])
    np.testing.assert_array_equal(read_outputs(graph, values)["out"][0, 2:, 0], x[0, :, 0])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"^input 'image' \[1, 2, 1, 3\] is missing$"),
        ({"image": IMAGE, "mask": IMAGE}, r"^there is no input 'mask'; the model has 'image'$"),
        ({"image": IMAGE[..., :2]}, r"^input 'image' takes \[1, 2, 1, 3\], not \[1, 2, 1, 2\]$"),
        ({"image": IMAGE.astype(np.int8)}, r"^input 'image' takes float32, not int8$"),
    ],
    ids=["missing", "unknown", "shape", "type"],
)
def test_wrong_inputs_are_refused(inputs: dict[str, np.ndarray], message: str):
    with pytest.raises(ValueError, match=message):
        bind_inputs(small_graph(), inputs)
