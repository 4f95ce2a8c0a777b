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
from compiler.ir import Conv
from tests.compiler.builders import kinds, model, op, rand, save
from tests.compiler.frontend.runtime import run


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
