"""One way to write a global average."""

from __future__ import annotations

import numpy as np

from compiler.ir import Graph, Node, Tensor

__all__ = ["FormGlobalAverage"]


class FormGlobalAverage:
    """``ReduceMean`` over all spatial axes becomes ``GlobalAveragePool``, with a ``Reshape`` if it drops the axes.

    ``Sum`` of two tensors of one shape becomes ``Add``.
    """

    name = "form-global-average"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node, "ReduceMean"):
            shape = graph.tensor(node.input(0)).shape
            if len(shape) == 4 and self._axes(graph, node, 4) == {2, 3}:
                self._form(graph, node, shape)
                changed = True
        for node in graph.walk(Node, "Sum"):
            shapes = [graph.tensor(name).shape for name in node.inputs]
            if len(shapes) == 2 and shapes[0] == shapes[1]:
                graph.replace(node.name, Node(node.name, "Add", node.inputs, node.outputs))
                changed = True
        return changed

    def _axes(self, graph: Graph, node: Node, rank: int) -> set[int]:
        constant = graph.constant(node.input(1)) if node.input(1) else None
        axes = node.integers("axes") if constant is None else tuple(int(a) for a in constant.reshape(-1))
        return {axis % rank for axis in axes}

    def _form(self, graph: Graph, node: Node, shape: tuple[int, ...]) -> None:
        if node.integer("keepdims", 1):
            graph.replace(node.name, Node(node.name, "GlobalAveragePool", node.inputs[:1], node.outputs))
            return
        pooled = graph.fresh(f"{node.output}/pooled")
        graph.add_tensor(Tensor(pooled, (*shape[:2], 1, 1), graph.tensor(node.output).dtype))
        target = graph.add_constant(f"{node.name}/shape", np.asarray(graph.tensor(node.output).shape, np.int64))
        reshape = Node(graph.fresh(f"{node.name}/reshape"), "Reshape", (pooled, target), node.outputs)
        graph.replace(node.name, reshape)
        graph.insert_before(reshape.name, Node(node.name, "GlobalAveragePool", node.inputs[:1], (pooled,)))
