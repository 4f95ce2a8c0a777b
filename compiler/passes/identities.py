"""Removal of operators that do nothing when a network runs."""

from __future__ import annotations

from compiler.ir import Graph, Node

__all__ = ["RemoveIdentities"]


class RemoveIdentities:
    """The result of an operator that passes its input on is replaced by that input.

    1. ``Identity``, and ``Dropout`` outside training, if nothing reads the mask.
    2. ``Cast`` to the type that the tensor has.
    3. ``Transpose`` that keeps the order; ``Reshape``, ``Flatten``, ``Squeeze``, ``Unsqueeze``, ``Expand`` that keep
       the shape; ``Pad`` by nothing; ``Concat`` and ``Sum`` of one tensor.
    4. ``Clip`` without bounds.
    """

    name = "remove-identities"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node):
            if node.domain == "" and self._passes_on(graph, node):
                graph.remove(node.name)
                graph.redirect(node.output, node.input(0))
                changed = True
        return changed

    def _passes_on(self, graph: Graph, node: Node) -> bool:
        if not node.inputs or any(graph.consumers(o) or o in graph.outputs for o in node.outputs[1:] if o):
            return False
        if graph.constant(node.input(0)) is not None and node.output in graph.outputs:
            return False
        before, after = graph.tensor(node.input(0)), graph.tensor(node.output)
        if (before.shape, before.dtype) != (after.shape, after.dtype):
            return False
        match node.op_type:
            case "Identity" | "Cast" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Expand":
                return True
            case "Dropout":
                training = graph.constant(node.input(2))
                return not node.input(2) or (training is not None and not training.any())
            case "Transpose":
                axes = node.integers("perm", tuple(reversed(range(len(before.shape)))))
                return [a for a in axes if before.shape[a] > 1] == [a for a, n in enumerate(before.shape) if n > 1]
            case "Pad":
                amounts = graph.constant(node.input(1)) if node.input(1) else node.integers("pads")
                return amounts is not None and not any(amounts)
            case "Concat" | "Sum":
                return len(node.inputs) == 1
            case "Clip":
                return not any(node.inputs[1:]) and not {"min", "max"} & set(node.attributes)
            case _:
                return False
