from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.ir import Node
from compiler.passes.fold_scale import FoldScale
from tests.compiler.builders import applied, imported, kinds, op, rand

INPUTS = {"a": (2, 4, 6), "b": (2, 6, 5)}
CONSTANTS = {"s": 0.125, "row": rand(5), "w": rand(6, 5), "minus": -2.0}


@pytest.mark.parametrize(
    ("scaling", "alpha"),
    [
        ([op("Mul", "p s", "y")], 0.125),
        ([op("Mul", "s p", "y")], 0.125),
        ([op("Div", "p s", "y")], 8.0),
        ([op("Mul", "p s", "q"), op("Mul", "q s", "y")], 0.125**2),
    ],
    ids=["times", "number first", "divided", "twice"],
)
def test_a_scaled_product_is_one_operator(scaling: list, alpha: float, tmp_path: Path):
    graph = imported(tmp_path, [op("MatMul", "a b", "p"), *scaling], INPUTS, "y", CONSTANTS)
    after, (trace,) = applied(graph, FoldScale())
    assert trace.changed
    assert kinds(after) == ["MatMul"]
    assert after.select(Node)[0].real("alpha", 1.0) == alpha


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        ([op("MatMul", "a b", "p"), op("Mul", "p row", "y")], "y"),
        ([op("MatMul", "a b", "p"), op("Mul", "p s", "y")], "y p"),
        ([op("MatMul", "a b", "p"), op("Div", "s p", "y")], "y"),
        ([op("MatMul", "a b", "p"), op("Mul", "p minus", "y")], "y"),
        ([op("MatMul", "a w", "p"), op("Mul", "p s", "y")], "y"),
    ],
    ids=["a row of scales", "read elsewhere", "a reciprocal", "a negative scale", "weights"],
)
def test_what_cannot_be_folded_stays(nodes: list, outputs: str, tmp_path: Path):
    _, (trace,) = applied(imported(tmp_path, nodes, INPUTS, outputs, CONSTANTS), FoldScale())
    assert not trace.changed


def test_the_scale_does_not_change_the_type(tmp_path: Path):
    graph = imported(tmp_path, [op("MatMul", "a b", "p"), op("Div", "p s", "y")], INPUTS, "y", CONSTANTS)
    after, _ = applied(graph, FoldScale())
    assert after.tensor("y").dtype == np.float32
