"""Weights in the order that their layer reads."""

from __future__ import annotations

from dataclasses import replace

from compiler.ir import Graph, Node

__all__ = ["TransposeWeights"]


class TransposeWeights:
    """``Transpose`` of dequantised constants becomes a dequantisation of transposed ones.

    So that a product sees weights behind it. Left alone where the integers or their scales are not constant.
    """

    name = "transpose-weights"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node, "Transpose"):
            source = graph.producer(node.input(0))
            if not isinstance(source, Node) or source.op_type != "DequantizeLinear" or source.domain:
                continue
            values = graph.constant(source.input(0))
            if values is None or source.integer("block_size", 0):
                continue
            axes = node.integers("perm", tuple(reversed(range(values.ndim))))
            axis = axes.index(source.integer("axis", 1) % values.ndim) if values.ndim > 1 else 0
            name = graph.add_constant(f"{source.input(0)}/transposed", values.transpose(axes))
            inputs, attributes = (name, *source.inputs[1:]), {**source.attributes, "axis": axis}
            turned = replace(source, name=node.name, inputs=inputs, outputs=node.outputs, attributes=attributes)
            graph.replace(node.name, turned)
            changed = True
        return changed
