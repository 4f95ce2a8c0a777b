from __future__ import annotations

from pathlib import Path

import pytest

from compiler.passes.spatial_mean import FormGlobalAverage
from tests.compiler.builders import applied, imported, kinds, op


@pytest.mark.parametrize(
    ("node", "after"),
    [
        (op("ReduceMean", "x", "y", axes=[2, 3]), ["GlobalAveragePool"]),
        (op("ReduceMean", "x", "y", axes=[-1, -2], keepdims=0), ["GlobalAveragePool", "Reshape"]),
        (op("ReduceMean", "x", "y", axes=[1]), ["ReduceMean"]),
        (op("ReduceMean", "x", "y"), ["ReduceMean"]),
        (op("Sum", "x x", "y"), ["Add"]),
        (op("Sum", "x x x", "y"), ["Sum"]),
    ],
)
def test_means_over_an_image(node: object, after: list[str], tmp_path: Path):
    graph, (trace,) = applied(imported(tmp_path, [node], {"x": (1, 3, 4, 5)}, "y"), FormGlobalAverage())
    assert kinds(graph) == after
    assert trace.changed == (after not in (["ReduceMean"], ["Sum"]))
