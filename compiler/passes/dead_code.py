"""Removal of what no output depends on."""

from __future__ import annotations

from compiler.ir import Graph, outputs_of

__all__ = ["RemoveDeadCode"]


class RemoveDeadCode:
    """Operators none of whose outputs is read or returned go, and then the tensors and constants that are left over."""

    name = "remove-dead-code"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for operator in reversed(graph.operators()):
            if not any(graph.consumers(tensor) or tensor in graph.outputs for tensor in outputs_of(operator)):
                graph.remove(operator.name)
                changed = True
        return graph.drop_unused() or changed
