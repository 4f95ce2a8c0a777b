from __future__ import annotations

from pathlib import Path

import pytest

from compiler.passes.affine_to_depthwise import AffineToDepthwise
from tests.compiler.builders import applied, imported, kinds, op, rand

CONSTANTS = {"c": rand(1, 4, 1, 1), "map": rand(1, 1, 1, 6), "row": rand(4)}


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div"])
def test_scaling_of_an_image_is_a_depthwise_convolution(kind: str, tmp_path: Path):
    graph = imported(tmp_path, [op(kind, "x c", "y")], {"x": (1, 4, 6, 6)}, "y", CONSTANTS)
    after, _ = applied(graph, AffineToDepthwise())
    assert kinds(after) == ["Conv"]


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (op("Mul", "x map", "y"), (1, 4, 6, 6)),
        (op("Mul", "x c", "y"), (1, 1, 6, 6)),
        (op("Mul", "x x", "y"), (1, 4, 6, 6)),
        (op("Mul", "x row", "y"), (3, 4)),
        (op("Div", "c x", "y"), (1, 4, 6, 6)),
    ],
    ids=["not per channel", "more channels than it has", "two activations", "no image", "reciprocal"],
)
def test_anything_else_stays(node: object, shape: tuple[int, ...], tmp_path: Path):
    _, (trace,) = applied(imported(tmp_path, [node], {"x": shape}, "y", CONSTANTS), AffineToDepthwise())
    assert not trace.changed
