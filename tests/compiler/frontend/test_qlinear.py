"""Operators on quantised tensors give what ONNX Runtime computes for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import compiler
from compiler.errors import ModelError
from tests.compiler.builders import kinds, model, op, save
from tests.compiler.frontend.runtime import against_onnxruntime

RNG = np.random.default_rng(0)
MS = "com.microsoft"
CONSTANTS = {
    "xs": 0.05, "xz": np.uint8(120), "ys": 0.083, "yz": np.uint8(100), "bs": 0.031, "bz": np.uint8(3),
    "w": RNG.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8), "ws": np.linspace(0.003, 0.005, 6, dtype=np.float32),
    "wz": np.zeros(6, np.int8), "wu": RNG.integers(0, 256, (6, 4, 3, 3)).astype(np.uint8), "su": 0.004,
    "zu": np.uint8(131), "b": RNG.integers(-4000, 4000, 6).astype(np.int32),
    "m": RNG.integers(-127, 128, (24, 6)).astype(np.int8), "mz": np.int8(0), "ms": 0.004, "mt": RNG.integers(
        -127, 128, (6, 24)).astype(np.int8),
}  # fmt: skip
IMAGE, ROW = (1, 4, 7, 9), (1, 24)
CASES: dict[str, tuple[list[onnx.NodeProto], tuple[int, ...], list[str], int]] = {
    "QLinearConv": ([op("QLinearConv", "x xs xz w ws wz ys yz b", "y", pads=[1, 1, 1, 1])], IMAGE, ["Conv"], 0),
    "QLinearConv without bias": ([op("QLinearConv", "x xs xz w ws wz ys yz", "y", strides=[2, 2])], IMAGE, ["Conv"], 0),
    "QLinearConv of uint8 weights": ([op("QLinearConv", "x xs xz wu su zu ys yz b", "y")], IMAGE, ["Conv"], 0),
    "QLinearMatMul": ([op("QLinearMatMul", "x xs xz m ms mz ys yz", "y")], ROW, ["Conv"], 0),
    "QGemm": ([op("QGemm", "x xs xz m ms mz b ys yz", "y", domain=MS)], ROW, ["Conv"], 0),
    "QGemm transposed": ([op("QGemm", "x xs xz mt ms mz b ys yz", "y", domain=MS, transB=1)], ROW, ["Conv"], 0),
    "QLinearAdd": ([op("QLinearAdd", "x xs xz x xs xz ys yz", "y", domain=MS)], IMAGE, ["Add"], 1),
    "QLinearGlobalAveragePool": (
        [op("QLinearGlobalAveragePool", "x xs xz ys yz", "y", domain=MS)], IMAGE, ["Pool"], 0,
    ),
    "QLinearAveragePool": (
        [op("QLinearAveragePool", "x xs xz ys yz", "y", domain=MS, kernel_shape=[2, 2])], IMAGE, ["Pool"], 1,
    ),
    "QLinearConcat": (
        [op("QLinearConcat", "ys yz x xs xz x xs xz", "y", domain=MS, axis=1)], IMAGE, ["Pool", "Pool", "Concat"], 0,
    ),
    "QLinearSigmoid": ([op("QLinearSigmoid", "x xs xz ys yz", "y", domain=MS)], IMAGE, ["Sigmoid"], 1),
    "QLinearLeakyRelu": ([op("QLinearLeakyRelu", "x xs xz ys yz", "y", domain=MS, alpha=0.1)], IMAGE, ["LeakyRelu"], 1),
    "a residual block": (
        [op("QLinearConv", "x xs xz wq ss mz bs bz", "a", pads=[1, 1, 1, 1]),
         op("QLinearAdd", "a bs bz x xs xz ys yz", "y", domain=MS)], IMAGE, ["Conv"], 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "shape", "after", "tolerance"), CASES.values(), ids=CASES)
def test_equals_onnxruntime(
    nodes: list[onnx.NodeProto], shape: tuple[int, ...], after: list[str], tolerance: int, tmp_path: Path
):
    extra = {"wq": RNG.integers(-127, 128, (4, 4, 3, 3)).astype(np.int8), "ss": 0.002}
    proto = model(nodes, {"x": (shape, np.uint8)}, {"y": np.uint8}, {**CONSTANTS, **extra})
    assert kinds(against_onnxruntime(proto, tmp_path, tolerance=tolerance)) == after


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (op("QGemm", "x xs xz m ms mz b", "y", domain=MS), r"node 'y' \(QGemm\): a float output is not supported"),
        (op("QLinearConv", "x xs xz w ws wz ys", "y"), r"node 'y' \(QLinearConv\): "),
        (
            op("QLinearGlobalAveragePool", "x xs xz ys yz", "y", domain=MS, channels_last=1),
            r"node 'y' \(QLinearGlobalAveragePool\): channels-last form; save the model unoptimised$",
        ),
    ],
)
def test_forms_that_are_not_supported_are_named(node: onnx.NodeProto, message: str, tmp_path: Path):
    path = save(model([node], {"x": (ROW, np.uint8)}, {"y": np.uint8}, CONSTANTS), tmp_path)
    with pytest.raises(ModelError, match=message):
        compiler.load(path)
