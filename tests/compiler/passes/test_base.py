from __future__ import annotations

from pathlib import Path

import pytest

from compiler.ir import Graph, Node
from compiler.passes import PassError, run_passes
from compiler.passes.dead_code import RemoveDeadCode
from tests.compiler.builders import imported, op


class Breaks:
    name = "breaks"

    def __call__(self, graph: Graph) -> bool:
        graph.remove("a")
        return True


def chain(folder: Path) -> Graph:
    return imported(folder, [op("Relu", "x", "a"), op("Relu", "a", "y"), op("Relu", "x", "dead")], {"x": (1, 4)}, "y")


def test_a_trace_says_what_each_pass_did(tmp_path: Path):
    seen: list[tuple[str, int]] = []
    traces = run_passes(
        chain(tmp_path), [RemoveDeadCode(), RemoveDeadCode()], after=lambda name, graph: seen.append((name, len(graph)))
    )
    assert [(t.name, t.changed, t.operators) for t in traces] == [
        ("remove-dead-code", True, 2),
        ("remove-dead-code", False, 2),
    ]
    assert seen == [("remove-dead-code", 2)] * 2


def test_a_pass_that_breaks_the_graph_is_named(tmp_path: Path):
    with pytest.raises(PassError, match=r"^breaks left an invalid graph: y: input 'a' has no source$"):
        run_passes(chain(tmp_path), [Breaks()])


def test_a_pass_that_makes_a_cycle_is_named(tmp_path: Path):
    class Loops:
        name = "loops"

        def __call__(self, graph: Graph) -> bool:
            graph.replace("a", Node("a", "Relu", ("y",), ("a",)))
            return True

    with pytest.raises(PassError, match=r"^loops left an invalid graph: the graph has a cycle: "):
        run_passes(chain(tmp_path), [Loops()])
