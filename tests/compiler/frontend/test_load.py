from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper
from onnx.model_container import ModelContainer, make_large_tensor_proto

import compiler
from compiler.errors import ModelError
from compiler.ir import Add, Conv, Graph, Host, Layout, Pool, PoolKind, QuantParams
from tests.compiler.builders import kinds, model, op, rand, save


def run(graph: Graph, **inputs: np.ndarray) -> np.ndarray:
    return next(iter(compiler.read_outputs(graph, compiler.interpret(graph, inputs)).values()))


def convnet() -> tuple[list, dict, dict]:
    """Normalised input, batch norm, ReLU6, padding, depthwise, residual, pool, flatten, dense, softmax; any batch."""
    nodes = [
        op("Sub", "x mean", "centred"),
        op("Div", "centred std", "normal"),
        op("Conv", "normal w1", "c1", kernel_shape=[3, 3]),
        op("BatchNormalization", "c1 gamma beta mu var", "n1"),
        op("Clip", "n1 zero six", "a1"),
        op("Pad", "a1 pads", "padded"),
        op("Conv", "padded w2", "c2", kernel_shape=[3, 3], group=8),
        op("Identity", "c2", "c2i"),
        op("Add", "c2i a1", "sum"),
        op("Relu", "sum", "a2"),
        op("MaxPool", "a2", "p", kernel_shape=[2, 2], strides=[2, 2]),
        op("Flatten", "p", "flat"),
        op("MatMul", "flat w3", "m"),
        op("Add", "m b3", "logits"),
        op("Softmax", "logits", "y", axis=-1),
    ]
    constants = {
        "mean": rand(1, 3, 1, 1) * 0.3, "std": np.abs(rand(1, 3, 1, 1, seed=1)) + 0.5,
        "w1": rand(8, 3, 3, 3) * 0.3, "gamma": np.abs(rand(8)) + 0.5, "beta": rand(8, seed=1), "mu": rand(8, seed=2),
        "var": np.abs(rand(8, seed=3)) + 0.5, "zero": 0.0, "six": 6.0,
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "w2": rand(8, 1, 3, 3, seed=2) * 0.4,
        "w3": rand(8 * 4 * 4, 5) * 0.2, "b3": rand(5, seed=5),
    }  # fmt: skip
    return nodes, {"x": ("batch", 3, 10, 10)}, constants


def test_a_float_model_becomes_convolutions_a_pool_and_a_softmax(tmp_path: Path):
    nodes, inputs, constants = convnet()
    path = save(model(nodes, inputs, "y", constants), tmp_path)
    x = rand(64, 3, 10, 10, seed=9)
    graph = compiler.load(path, calibration=x)
    assert kinds(graph) == ["Conv", "Conv", "Pool", "Conv", "Softmax"]
    assert graph.notes == ()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    want = session.run(None, {"x": x[:16]})[0]
    got = np.concatenate([run(graph, x=sample) for sample in x[:16]])
    assert got.shape == (16, 5)
    assert np.abs(got - want).max() < 0.12
    assert (got.argmax(1) == want.argmax(1)).mean() >= 0.9


def test_a_float_model_needs_calibration_data(tmp_path: Path):
    nodes, inputs, constants = convnet()
    path = save(model(nodes, inputs, "y", constants), tmp_path)
    with pytest.raises(ModelError, match=r"model\.onnx: is a float model: quantising it needs calibration data"):
        compiler.load(path)


def test_random_calibration_is_reported_and_repeatable(tmp_path: Path):
    nodes, inputs, constants = convnet()
    path = save(model(nodes, inputs, "y", constants), tmp_path)
    first, second = (compiler.load(path, calibration="random") for _ in range(2))
    assert "random" in first.notes[0]
    assert [t.quant for t in first.tensors()] == [t.quant for t in second.tensors()]


def test_made_up_ranges_cost_what_calibrated_ones_do(tmp_path: Path):
    nodes, inputs, constants = convnet()
    path = save(model(nodes, inputs, "y", constants), tmp_path)
    nominal, random = (compiler.load(path, calibration=how) for how in ("nominal", "random"))
    assert "not calibrated" in nominal.notes[0]
    assert kinds(nominal) == kinds(random)
    assert [t.shape for t in nominal.tensors()] == [t.shape for t in random.tensors()]


def test_filled_weights_are_never_written_out(tmp_path: Path):
    shape = np.array([64, 4096])
    nodes = [
        op("ConstantOfShape", "s", "w", value=numpy_helper.from_array(np.float32([0.5]))),
        op("Gemm", "x w", "y", transB=1),
    ]
    graph = compiler.load(save(model(nodes, {"x": (1, 4096)}, "y", {"s": shape}), tmp_path), calibration="nominal")
    (layer,) = graph.select(Conv)
    assert layer.weights.shape == (1, 1, 4096, 64)
    assert layer.weights.strides[2] == 0, "one number for each filter"
    assert (layer.weights == 127).all()


def test_outputs_that_nothing_reads_need_no_shape(tmp_path: Path):
    nodes = [op("Dropout", "x ratio", "d mask"), op("Conv", "d w", "y")]
    proto = model(nodes, {"x": (1, 3, 5, 5)}, "y", {"w": rand(2, 3, 1, 1), "ratio": 0.5})
    assert kinds(compiler.load(save(proto, tmp_path), calibration="nominal")) == ["Conv"]


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ("guess", r"calibration must be an array, 'random' or 'nominal', not 'guess'$"),
        (
            np.zeros((4, 3, 9, 9)),
            r"calibration data for input 'x' is float64 \[4, 3, 9, 9\], not numbers \[n, 3, 10, 10",
        ),
        (np.zeros((0, 3, 10, 10)), r"calibration data for input 'x' is float64 \[0, 3, 10, 10\]"),
        (np.full((1, 3, 10, 10), np.nan), r"calibration data for input 'x' has NaN or infinite values$"),
        ({"z": np.zeros((4, 3, 10, 10))}, r"calibration data for input 'x' is missing$"),
    ],
)
def test_calibration_that_does_not_fit_is_refused(calibration: object, message: str, tmp_path: Path):
    nodes, inputs, constants = convnet()
    path = save(model(nodes, inputs, "y", constants), tmp_path)
    with pytest.raises(ModelError, match=message):
        compiler.load(path, calibration=calibration)  # type: ignore[arg-type]


def test_external_data_inside_the_folder_is_read(tmp_path: Path):
    proto = model([op("Conv", "x w", "y")], {"x": (1, 3, 4, 4)}, "y", {"w": rand(2, 3, 1, 1)})
    tensor = proto.graph.initializer[0]
    data = tensor.raw_data
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(b"12345678" + data + b"rest")
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in {"location": "weights/w.bin", "offset": "8", "length": str(len(data))}.items():
        tensor.external_data.add(key=key, value=value)
    graph = compiler.load(save(proto, tmp_path), calibration="random")
    plain = model([op("Conv", "x w", "y")], {"x": (1, 3, 4, 4)}, "y", {"w": rand(2, 3, 1, 1)})
    other = compiler.load(save(plain, tmp_path), calibration="random")
    (got,), (want,) = ([op.weights for op in g.operators() if isinstance(op, Conv)] for g in (graph, other))
    np.testing.assert_array_equal(got, want)


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


def against_onnxruntime(proto: object, folder: Path, *, tolerance: int = 0) -> Graph:
    path = save(proto, folder)  # type: ignore[arg-type]
    graph = compiler.load(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for _ in range(4):
        feeds = {}
        for port in graph.input_ports:
            bounds = np.iinfo(port.dtype)
            feeds[port.name] = rng.integers(bounds.min, bounds.max + 1, port.shape).astype(port.dtype)
        want = session.run(None, feeds)[0]
        got = run(graph, **feeds)
        assert got.dtype == want.dtype
        assert np.abs(got.astype(int) - want).max() <= tolerance
        assert len(np.unique(want)) > 2
    return graph


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


def test_equal_files_give_equal_graphs(tmp_path: Path):
    nodes, inputs, constants = convnet()
    path = save(model(nodes, inputs, "y", constants), tmp_path)
    graphs = [compiler.load(path, calibration="random") for _ in range(2)]
    assert [op.name for op in graphs[0].operators()] == [op.name for op in graphs[1].operators()]
    for a, b in zip(*(g.operators() for g in graphs), strict=True):
        if isinstance(a, Conv) and isinstance(b, Conv):
            np.testing.assert_array_equal(a.weights, b.weights)


def test_a_model_in_memory_is_the_one_in_its_file_and_is_left_as_it_is(tmp_path: Path):
    core = [op("QLinearMatMul", "x s z w s z s z", "y")]
    weights = np.arange(-99, 101, dtype=np.int8).reshape(20, 10)
    constants = {"s": 0.1, "z": np.array(0, np.int8), "w": weights}
    proto = model(core, {"x": (("batch", 20), np.int8)}, {"y": np.int8}, constants)  # type: ignore[arg-type]
    before = proto.SerializeToString(deterministic=True)
    from_memory, from_file = compiler.load(proto), compiler.load(save(proto, tmp_path))
    assert proto.SerializeToString(deterministic=True) == before
    (a,), (b,) = (graph.select(Conv) for graph in (from_memory, from_file))
    np.testing.assert_array_equal(a.weights, b.weights)
    np.testing.assert_array_equal(a.weights.ravel(), weights.ravel())
    assert (a.name, a.requantize.scale, a.requantize.zero_point) == (
        b.name,
        b.requantize.scale,
        b.requantize.zero_point,
    )


def test_a_model_in_memory_is_checked_as_one_in_a_file_is():
    nodes, inputs, constants = convnet()
    proto = model(nodes, inputs, "y", constants)
    with pytest.raises(ModelError, match=r"^test: is a float model: quantising it needs"):
        compiler.load(proto)
    proto.graph.initializer[0].raw_data = b"123"
    with pytest.raises(ModelError, match=r"^test: initializer 'mean' has 3 bytes of data where its shape .* needs 12$"):
        compiler.load(proto, calibration="random")


def contained(weights: np.ndarray) -> ModelContainer:
    """A matrix product by int8 weights ``[20, 10]`` that lie beside their model."""
    core = [op("QLinearMatMul", "x s z w s z s z", "y")]
    proto = model(core, {"x": (("batch", 20), np.int8)}, {"y": np.int8}, {"s": 0.1, "z": np.array(0, np.int8)})
    proto.graph.initializer.append(make_large_tensor_proto("#w", "w", TensorProto.INT8, (20, 10)))
    container = ModelContainer()
    container.model_proto = proto
    container.set_large_initializers({"#w": weights})
    return container


def test_weights_in_a_container_beside_the_model_are_its_weights():
    weights = np.arange(-99, 101, dtype=np.int8).reshape(20, 10)
    (conv,) = compiler.load(contained(weights)).select(Conv)
    np.testing.assert_array_equal(conv.weights.ravel(), weights.ravel())


@pytest.mark.parametrize("weights", [np.zeros((20, 11), np.int8), np.zeros((20, 10), np.uint8)], ids=["shape", "type"])
def test_weights_in_a_container_are_those_that_the_model_declares(weights: np.ndarray):
    with pytest.raises(ModelError, match=r"^test: initializer 'w' is int8 \[20, 10\], and the array beside the model "):
        compiler.load(contained(weights))


def test_a_file_cannot_name_weights_in_memory(tmp_path: Path):
    path = save(contained(np.zeros((20, 10), np.int8)).model_proto, tmp_path)
    with pytest.raises(ModelError, match=r": initializer 'w': its external data file '#w' does not exist$"):
        compiler.load(path)


def test_names_of_nodes_and_tensors_may_coincide(tmp_path: Path):
    constant = op("Constant", "", "a", value=numpy_helper.from_array(rand(1, 3, 1, 1)))
    clash = op("Relu", "x", "h")
    clash.name = "a"
    path = save(model([clash, constant, op("Mul", "h a", "y")], {"x": (1, 3, 4, 4)}, "y"), tmp_path)
    assert kinds(compiler.load(path, calibration="random")) == ["Pool", "Conv"]


def test_importing_the_compiler_does_not_import_onnx():
    code = "import sys, compiler, compiler.interpreter, compiler.frontend.load; print('onnx' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
