from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.ir import Node
from compiler.passes.fuse_activation import FuseActivation
from tests.compiler.builders import applied, imported, kinds, op, rand

CONSTANTS = {"w": rand(4, 3, 3, 3), "lo": -0.5, "six": 6.0, "hi": 0.25}


@pytest.mark.parametrize(
    ("nodes", "clip"),
    [
        ([op("Relu", "c", "y")], (0.0, np.inf)),
        ([op("Clip", "c - six", "y")], (-np.inf, 6.0)),
        ([op("Clip", "c lo hi", "y")], (-0.5, 0.25)),
        ([op("Relu", "c", "r"), op("Clip", "r lo hi", "y")], (0.0, 0.25)),
        ([op("Clip", "c lo hi", "r"), op("Relu", "r", "y")], (0.0, 0.25)),
    ],
)
def test_bounds_become_the_convolutions(nodes: list[onnx.NodeProto], clip: tuple[float, float], tmp_path: Path):
    conv = op("Conv", "x w", "c", kernel_shape=[3, 3])
    after, (trace,) = applied(imported(tmp_path, [conv, *nodes], {"x": (1, 3, 6, 6)}, "y", CONSTANTS), FuseActivation())
    assert trace.changed
    (fused,) = after.select(Node)
    assert fused.clip() == clip


def test_a_value_that_is_read_before_the_clamp_stays(tmp_path: Path):
    nodes = [op("Conv", "x w", "c"), op("Relu", "c", "r"), op("Mul", "c r", "y")]
    after, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 3, 6, 6)}, "y", CONSTANTS), FuseActivation())
    assert not trace.changed
    assert kinds(after) == ["Conv", "Relu", "Mul"]


def test_a_bound_that_is_computed_stays(tmp_path: Path):
    nodes = [op("ReduceMax", "x", "m", keepdims=0), op("Conv", "x w", "c"), op("Clip", "c - m", "y")]
    _, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 3, 6, 6)}, "y", CONSTANTS), FuseActivation())
    assert not trace.changed
