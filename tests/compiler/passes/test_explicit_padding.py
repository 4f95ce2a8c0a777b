from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from compiler.evaluate import evaluate
from compiler.frontend import import_model
from compiler.ir import Node
from compiler.passes.explicit_padding import ExplicitPadding
from tests.compiler.builders import imported, model, op, rand, save


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(
    "node",
    [
        op("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2, 2]),
        op("Conv", "x w", "y", auto_pad="SAME_LOWER", strides=[2, 3]),
        op("Conv", "x w", "y", auto_pad="VALID", dilations=[2, 2]),
        op("Conv", "x w", "y"),
        op("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        op("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, pads=[1, 0, 0, 1]),
        op("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    ],
    ids=lambda n: f"{n.op_type}-{'-'.join(a.name for a in n.attribute)}",
)
def test_pads_say_what_the_attribute_meant(node: onnx.NodeProto, size: int, tmp_path: Path):
    path = save(model([node], {"x": (1, 2, size, size)}, "y", {"w": rand(4, 2, 3, 3)}), tmp_path)
    graph = import_model(path)
    assert ExplicitPadding()(graph)
    graph.verify()
    (after,) = graph.select(Node)
    assert not {"auto_pad", "ceil_mode"} & set(after.attributes)
    x = rand(1, 2, size, size, seed=1)
    (want,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(evaluate(graph, {"x": x})["y"], want, rtol=1e-5, atol=1e-5)
    assert not ExplicitPadding()(graph)


def test_an_average_that_rounds_up_is_left_alone(tmp_path: Path):
    node = op("AveragePool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    graph = imported(tmp_path, [node], {"x": (1, 2, 8, 8)}, "y")
    assert not ExplicitPadding()(graph)
