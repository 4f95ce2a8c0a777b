"""QONNX: numbers of few bits, exactly; and what int8 cannot express, refused in one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import compiler
from compiler.errors import ModelError
from compiler.evaluate import evaluate
from compiler.frontend import import_model
from compiler.ir import Conv, Graph, Host
from tests.compiler.builders import model, op, rand, save
from tests.compiler.shared import MODELS, needs_models

DOMAIN = "qonnx.custom_op.general"
RNG = np.random.default_rng(5)
X = {"x": (1, 6)}


def quant(inputs: str, output: str, **attributes: object):
    return op(
        "Quant", inputs, output, domain=DOMAIN, **{"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **attributes}
    )


def bipolar(inputs: str, output: str):
    return op("BipolarQuant", inputs, output, domain=DOMAIN)


def values(folder: Path, nodes: list, constants: dict, x: NDArray) -> NDArray:
    """What the ONNX-level graph gives for ``x``."""
    graph = import_model(save(model(nodes, {"x": x.shape}, "y", constants), folder))
    return evaluate(graph, {"x": x})["y"]


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "low", "high"),
    [(2, 1, 1, -1, 1), (2, 1, 0, -2, 1), (4, 0, 0, 0, 15), (4, 0, 1, 0, 14), (8, 1, 0, -128, 127), (1, 0, 0, 0, 1)],
)
def test_quant_rounds_to_its_bits(bits: int, signed: int, narrow: int, low: int, high: int, tmp_path: Path):
    x = np.linspace(-90, 90, 721, dtype=np.float32)[None]
    constants = {"s": 0.25, "z": 0.0, "b": float(bits)}
    got = values(tmp_path, [quant("x s z b", "y", signed=signed, narrow=narrow)], constants, x)
    np.testing.assert_array_equal(got, np.clip(np.rint(x / 0.25), low, high) * np.float32(0.25))


def test_bipolar_is_never_zero(tmp_path: Path):
    x = np.array([[-2.0, -0.0, 0.0, 1e-9, -1e-9, 3.0]], np.float32)
    got = values(tmp_path, [bipolar("x s", "y")], {"s": 0.5}, x)
    np.testing.assert_array_equal(got, [[-0.5, 0.5, 0.5, 0.5, -0.5, 0.5]])


def layer(bits: int, folder: Path) -> tuple[Graph, Graph]:
    """A layer of ``bits`` with a batch norm of both signs and biases between its sums: before and after lowering."""
    constants = {
        "s": 1.0, "z": 0.0, "b": float(bits), "w": RNG.integers(-1, 2, (6, 40)).astype(np.float32),
        "gamma": np.where(np.arange(40) % 3, 1, -1).astype(np.float32) * (np.abs(rand(40)) + 0.5),
        "beta": rand(40, seed=1),
        "mean": rand(40, seed=2) * 2, "var": np.abs(rand(40, seed=3)) + 0.2,
    }  # fmt: skip
    quantise = bipolar if bits == 1 else lambda inputs, output: quant(f"{inputs} z b", output, narrow=1)
    nodes = [
        quantise("x s", "q"),
        quantise("w s", "v"),
        op("MatMul", "q v", "m"),
        op("BatchNormalization", "m gamma beta mean var", "n"),
        quantise("n s", "y"),
    ]
    used = {name: value for name, value in constants.items() if bits > 1 or name not in ("z", "b")}
    path = save(model(nodes, X, "y", used), folder)
    return import_model(path), compiler.load(path)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_layer_with_batch_norm_is_one_operator_that_gives_the_same(bits: int, tmp_path: Path):
    before, after = layer(bits, tmp_path)
    assert len(after.select(Conv)) == 1
    different = 0
    for _ in range(50):
        x = RNG.integers(-3, 4, (1, 6)).astype(np.float32)
        (got,) = compiler.read_outputs(after, compiler.interpret(after, {"x": x})).values()
        different += int((got != evaluate(before, {"x": x})["y"]).sum())
    # signs are exact; a sum that lies within 1/127 of the middle between two integers may round either way
    assert different <= (0 if bits == 1 else 20)


WEIGHTS = {"w": rand(6, 5), "s": 0.5, "z": 0.0, "b": 4.0, "wide": 9.0, "half": 0.5, "rows": np.ones((6, 5), np.float32)}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (quant("x s z wide", "y"), r"node 'y' \(Quant\): its bit width is 9; whole numbers from 2 to 8 are supported$"),
        (quant("x s half b", "y"), r"node 'y' \(Quant\): its zero point 0.5 is not one of its integers, -8..7$"),
        (quant("x z z b", "y"), r"node 'y' \(Quant\): its scale 0 is not a positive number$"),
        (quant("x s z b", "y", rounding_mode="FLOOR"), r"its rounding mode 'FLOOR' is not supported; ROUND is$"),
        (quant("w rows z b", "y"), r"its scales \[6, 5\] do not run along one axis of \[6, 5\]$"),
        (quant("x x z b", "y"), r"node 'y' \(Quant\): its scale is not constant$"),
        (quant("x s", "y"), r"node 'y' \(Quant\): it lacks inputs or outputs$"),
        (
            op("Trunc", "x s z b b", "y", domain=DOMAIN),
            r"\(Trunc\): this operator of QONNX is not supported; Quant and",
        ),
    ],
)
def test_what_int8_cannot_express_is_refused(node: object, message: str, tmp_path: Path):
    constants = {name: value for name, value in WEIGHTS.items() if name in node.input}
    inputs = X if "x" in node.input else {"x": (1, 5)}
    nodes = [node] if "x" in node.input else [node, op("Gemm", "x y", "out", transB=1)]
    with pytest.raises(ModelError, match=message):
        compiler.load(save(model(nodes, inputs, "y" if len(nodes) == 1 else "out", constants), tmp_path))


@needs_models
@pytest.mark.parametrize(("name", "least"), [("TFC_1W1A", 0.92), ("TFC_2W2A", 0.93)])
def test_trained_networks_keep_their_accuracy(name: str, least: float):
    """MNIST: its authors report 93.17 % and 94.79 % (finn-examples, README)."""
    path, count = MODELS / "qonnx" / f"{name}.onnx", 400
    graph, plain = compiler.load(path), import_model(path)
    assert len(graph.select(Conv)) == 3
    assert [operator.op_type for operator in graph.select(Host)][-1] == "FullyConnected"  # its result stays float
    with gzip.open(MODELS / "data" / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 1, 28, 28)[:count] / np.float32(255)
    with gzip.open(MODELS / "data" / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)[:count]
    port, out = plain.input_ports[0], plain.outputs[0]
    right = same = 0
    for image, label in zip(images, labels, strict=True):
        (got,) = compiler.read_outputs(graph, compiler.interpret(graph, {port.name: image})).values()
        right += int(got.argmax() == label)
        same += int(got.argmax() == evaluate(plain, {port.name: image})[out].argmax())
    assert right / count >= least
    assert same == count if name == "TFC_1W1A" else same >= 0.99 * count
