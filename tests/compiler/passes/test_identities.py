from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.passes.identities import RemoveIdentities
from tests.compiler.builders import applied, imported, kinds, op

FLOAT = onnx.TensorProto.FLOAT


@pytest.mark.parametrize(
    "node",
    [
        op("Identity", "x", "a"),
        op("Dropout", "x", "a"),
        op("Dropout", "x ratio no", "a"),
        op("Cast", "x", "a", to=FLOAT),
        op("Transpose", "x", "a", perm=[0, 1, 2, 3]),
        op("Transpose", "x", "a", perm=[1, 0, 2, 3]),
        op("Reshape", "x same", "a"),
        op("Pad", "x none", "a"),
        op("Concat", "x", "a", axis=1),
        op("Clip", "x", "a"),
    ],
    ids=lambda node: node.op_type,
)
def test_what_passes_its_input_on_goes(node: onnx.NodeProto, tmp_path: Path):
    constants = {
        "ratio": 0.5, "no": np.zeros((), bool), "same": np.asarray([1, 1, 4, 4]), "none": np.zeros(8, np.int64)
    }  # fmt: skip
    graph = imported(tmp_path, [node, op("Relu", "a", "y")], {"x": (1, 1, 4, 4)}, "y", constants)
    after, (trace,) = applied(graph, RemoveIdentities())
    assert trace.changed
    assert kinds(after) == ["Relu"]


@pytest.mark.parametrize(
    "nodes",
    [
        [op("Transpose", "x", "y", perm=[0, 1, 3, 2])],
        [op("Reshape", "x other", "y")],
        [op("Clip", "x low", "y")],
        [op("Cast", "x", "a", to=onnx.TensorProto.INT32), op("Cast", "a", "y", to=FLOAT)],
        [op("Relu", "x", "y")],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_what_does_something_stays(nodes: list, tmp_path: Path):
    constants = {"other": np.asarray([1, 4, 1, 4]), "low": 0.1}
    _, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 1, 4, 4)}, "y", constants), RemoveIdentities())
    assert not trace.changed


def test_an_output_that_is_an_input_keeps_its_name(tmp_path: Path):
    after, _ = applied(imported(tmp_path, [op("Identity", "x", "y")], {"x": (1, 4)}, "y"), RemoveIdentities())
    assert len(after) == 0
    assert [(p.name, p.tensor) for p in after.output_ports] == [("y", "x")]
