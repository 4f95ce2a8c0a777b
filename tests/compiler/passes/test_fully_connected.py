from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.passes.fully_connected import FormFullyConnected
from tests.compiler.builders import applied, imported, kinds, op, rand

WEIGHTS = {"w": rand(6, 4), "t": rand(4, 6), "b": rand(4), "row": rand(1, 4), "one": 0.5, "six": rand(3, 4)}


@pytest.mark.parametrize(
    "nodes",
    [
        [op("MatMul", "x w", "y")],
        [op("MatMul", "x w", "m"), op("Add", "m b", "y")],
        [op("MatMul", "x w", "m"), op("Add", "row m", "y")],
        [op("Gemm", "x w", "y")],
        [op("Gemm", "x t b", "y", transB=1)],
        [op("Gemm", "x w row", "y")],
        [op("Gemm", "x w", "m"), op("Add", "m b", "y")],
        [op("DequantizeLinear", "wq one", "v"), op("MatMul", "x v", "y")],
    ],
)
def test_products_by_weights_are_one_layer(nodes: list[onnx.NodeProto], tmp_path: Path):
    constants = {**WEIGHTS, "wq": np.ones((6, 4), np.int8)}
    after, (trace,) = applied(imported(tmp_path, nodes, {"x": (3, 6)}, "y", constants), FormFullyConnected())
    assert trace.changed
    assert [k for k in kinds(after) if k != "DequantizeLinear"] == ["FullyConnected"]


@pytest.mark.parametrize(
    ("nodes", "left"),
    [
        ([op("MatMul", "x x", "y")], ["MatMul"]),
        ([op("Gemm", "x w b", "y", alpha=2.0)], ["Gemm"]),
        ([op("Gemm", "x w six", "y")], ["Gemm"]),
        ([op("MatMul", "x w", "m"), op("Add", "m m", "y")], ["FullyConnected", "Add"]),
        ([op("MatMul", "x w", "m"), op("Add", "m six", "y")], ["FullyConnected", "Add"]),
        ([op("MatMul", "x w", "m"), op("Add", "m b", "a"), op("Mul", "a m", "y")], ["FullyConnected", "Add", "Mul"]),
    ],
)
def test_what_is_no_layer_stays(nodes: list[onnx.NodeProto], left: list[str], tmp_path: Path):
    shape = (6, 6) if left == ["MatMul"] else (3, 6)
    after, _ = applied(imported(tmp_path, nodes, {"x": shape}, "y", WEIGHTS), FormFullyConnected())
    assert kinds(after) == left
