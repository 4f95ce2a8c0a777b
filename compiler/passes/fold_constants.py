"""Evaluation of what does not depend on the input."""

from __future__ import annotations

from compiler.evaluate import run_node
from compiler.ir import Graph, Node

__all__ = ["FoldConstants"]

MAX_FOLDED_BYTES = 1 << 28


class FoldConstants:
    """An operator whose inputs are all constant is replaced by its value; so is ``Shape``, whose input's is known.

    Left alone: ``DequantizeLinear``, since the integers it hides are the weights that the accelerator wants; what is
    random; what has a result too large to be meant.
    """

    name = "fold-constants"
    kept = frozenset(
        {"DequantizeLinear", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli"}
    )

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node):
            shape = node.op_type == "Shape" and not node.attributes
            constant = all(graph.constant(name) is not None for name in node.inputs if name)
            if (
                node.op_type in self.kept
                or node.domain != ""
                or not (constant or shape)
                or not self._small(graph, node)
            ):
                continue
            self._fold(graph, node, is_shape=shape)
            changed = True
        return changed

    def _small(self, graph: Graph, node: Node) -> bool:
        tensors = [graph.tensor(name) for name in node.outputs if name]
        return sum(t.size * t.dtype.itemsize for t in tensors) <= MAX_FOLDED_BYTES

    def _fold(self, graph: Graph, node: Node, *, is_shape: bool) -> None:
        import numpy as np

        if is_shape:
            values = [np.asarray(graph.tensor(node.input(0)).shape, np.int64)]
        else:
            values = run_node(node, [graph.constant(name) if name else None for name in node.inputs], graph.opset)
        graph.remove(node.name)
        for name, value in zip(node.outputs, values, strict=False):
            if name:
                graph.redirect(name, graph.add_constant(f"{name}/folded", value))
