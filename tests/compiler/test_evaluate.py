from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from compiler.errors import ModelError
from compiler.evaluate import evaluate, run_node
from compiler.frontend import import_model
from compiler.ir import Node
from tests.compiler.builders import model, op, rand, save

CONSTANTS = {
    "w": rand(6, 2, 3, 2), "b": rand(6), "g": rand(4) + 2, "v": np.abs(rand(4)) + 0.5, "s": 0.05, "z": np.uint8(30),
    "sc": np.abs(rand(4)) * 0.1 + 0.01, "zc": np.arange(4, dtype=np.int8), "lo": -0.5,
}  # fmt: skip


@pytest.mark.parametrize("opset", [13, 17, 21])
@pytest.mark.parametrize(
    "nodes",
    [
        [op("Conv", "x w b", "y", group=2, pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2])],
        [op("MaxPool", "x", "y", kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1])],
        [op("AveragePool", "x", "y", kernel_shape=[2, 2], strides=[1, 2])],
        [op("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        [op("BatchNormalization", "x g g g v", "y")],
        [op("QuantizeLinear", "x s z", "q"), op("DequantizeLinear", "q s z", "y")],
        [op("QuantizeLinear", "x sc zc", "q", axis=1), op("DequantizeLinear", "q sc zc", "y", axis=1)],
        [op("Clip", "x lo", "y")],
        [op("Softmax", "x", "y", axis=1)],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_operators_mean_what_onnxruntime_computes(nodes: list[onnx.NodeProto], opset: int, tmp_path: Path):
    path = save(model(nodes, {"x": (1, 4, 7, 8)}, "y", CONSTANTS, opset=opset), tmp_path)
    x = rand(1, 4, 7, 8, seed=5)
    (want,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    got = evaluate(import_model(path), {"x": x})["y"]
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_a_fused_clip_bounds_the_first_output():
    node = Node("n", "Add", ("a", "b"), ("y",), {"clip": (0.0, 6.0)})
    (y,) = run_node(node, [np.float32([-3, 2, 9]), np.float32([1, 1, 1])], 13)
    np.testing.assert_array_equal(y, [0, 3, 6])


def test_an_operator_that_cannot_run_is_named():
    with pytest.raises(ModelError, match=r"^node 'n' \(MatMul\) cannot be evaluated: "):
        run_node(Node("n", "MatMul", ("a", "b"), ("y",)), [np.ones((2, 3)), np.ones((2, 3))], 13)
