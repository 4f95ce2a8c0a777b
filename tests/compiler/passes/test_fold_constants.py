from __future__ import annotations

from pathlib import Path

import numpy as np

from compiler.passes.fold_constants import FoldConstants
from tests.compiler.builders import applied, imported, kinds, op, rand


def test_arithmetic_on_constants_is_done_once(tmp_path: Path):
    nodes = [op("Add", "a b", "c"), op("Sqrt", "c", "d"), op("Mul", "x d", "y")]
    constants = {"a": np.abs(rand(4)), "b": np.abs(rand(4, seed=1))}
    after, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 4)}, "y", constants), FoldConstants())
    assert trace.changed
    assert kinds(after) == ["Mul"]


def test_the_shape_of_an_activation_is_known(tmp_path: Path):
    nodes = [
        op("Shape", "x", "s"),
        op("Gather", "s zero", "n"),
        op("Unsqueeze", "n axes", "nu"),
        op("Concat", "nu rest", "target", axis=0),
        op("Reshape", "x target", "y"),
    ]
    constants = {"zero": np.asarray(0), "axes": np.asarray([0]), "rest": np.asarray([-1])}
    after, _ = applied(imported(tmp_path, nodes, {"x": ("batch", 2, 3)}, "y", constants), FoldConstants())
    assert kinds(after) == ["Reshape"]


def test_integer_weights_stay_hidden_behind_their_scale(tmp_path: Path):
    nodes = [op("DequantizeLinear", "w s", "v"), op("MatMul", "x v", "y")]
    constants = {"w": np.ones((4, 2), np.int8), "s": 0.5}
    after, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 4)}, "y", constants), FoldConstants())
    assert not trace.changed
    assert kinds(after) == ["DequantizeLinear", "MatMul"]


def test_weights_that_are_quantised_at_run_time_are_quantised_now(tmp_path: Path):
    nodes = [op("QuantizeLinear", "w s z", "q"), op("DequantizeLinear", "q s z", "v"), op("MatMul", "x v", "y")]
    constants = {"w": rand(4, 2), "s": 0.02, "z": np.int8(0)}
    after, _ = applied(imported(tmp_path, nodes, {"x": (1, 4)}, "y", constants), FoldConstants())
    assert kinds(after) == ["DequantizeLinear", "MatMul"]


def test_a_random_tensor_is_not_a_constant(tmp_path: Path):
    nodes = [op("RandomNormal", "", "r", shape=[1, 4]), op("Add", "x r", "y")]
    graph = imported(tmp_path, nodes, {"x": (1, 4)}, "y")
    assert not FoldConstants()(graph)
