from __future__ import annotations

from pathlib import Path

from compiler.passes.dead_code import RemoveDeadCode
from tests.compiler.builders import applied, imported, kinds, op, rand


def test_what_no_output_needs_goes_with_its_constants(tmp_path: Path):
    nodes = [op("Mul", "x w", "a"), op("Relu", "a", "b"), op("Relu", "x", "y")]
    after, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 4)}, "y", {"w": rand(4)}), RemoveDeadCode())
    assert trace.changed
    assert kinds(after) == ["Relu"]
    assert not after.has_tensor("w")


def test_an_operator_with_one_living_output_stays(tmp_path: Path):
    nodes = [op("Split", "x", "y z", axis=1)]
    after, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 4)}, "y"), RemoveDeadCode())
    assert not trace.changed
    assert kinds(after) == ["Split"]
