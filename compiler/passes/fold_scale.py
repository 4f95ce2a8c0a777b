"""Scaling of a product of two activations, as part of the product."""

from __future__ import annotations

from dataclasses import replace

from compiler.ir import Graph, Node

__all__ = ["FoldScale"]


class FoldScale:
    """``matmul(a, b) * s`` and ``matmul(a, b) / s`` become one ``MatMul`` with the attribute ``alpha``.

    Requantisation takes it for free. Left alone unless ``s`` is one positive constant and nothing else reads the
    product.
    """

    name = "fold-scale"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node, "Mul", "Div"):
            for place, name in enumerate(node.inputs):
                other = graph.constant(node.inputs[1 - place])
                product = graph.producer(name)
                if other is None or other.size != 1 or not isinstance(product, Node) or product.op_type != "MatMul":
                    continue
                number = float(other.reshape(-1)[0])
                if graph.sole_consumer(name) is not node or number <= 0 or (node.op_type == "Div" and place == 1):
                    continue
                if any(graph.constant(operand) is not None for operand in product.inputs):
                    continue
                if graph.tensor(node.output).shape != graph.tensor(name).shape or "clip" in node.attributes:
                    continue
                alpha = product.real("alpha", 1.0) * (number if node.op_type == "Mul" else 1 / number)
                scaled = replace(product.with_attributes(alpha=alpha), outputs=node.outputs, domain="hwsim")
                graph.remove(product.name)
                graph.replace(node.name, scaled)
                changed = True
                break
        return changed
