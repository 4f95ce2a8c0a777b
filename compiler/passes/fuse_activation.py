"""ReLU, ReLU6 and Clip as bounds of the operator before them."""

from __future__ import annotations

import numpy as np

from compiler.ir import Graph, Node

__all__ = ["FuseActivation", "bounds"]


def bounds(graph: Graph, node: Node) -> tuple[float, float] | None:
    """The constant ``(low, high)`` of a ``Relu`` or ``Clip``; None for anything else."""
    if node.op_type == "Relu":
        return 0.0, np.inf
    if node.op_type != "Clip":
        return None
    found = [node.real("min", -np.inf), node.real("max", np.inf)]
    for place, name in ((0, node.input(1)), (1, node.input(2))):
        value = graph.constant(name)
        if name and (value is None or value.size != 1):
            return None
        if value is not None:
            found[place] = float(value.reshape(-1)[0])
    return found[0], found[1]


class FuseActivation:
    """``relu(conv(x))`` becomes ``conv(x)`` with a ``clip``; so with FullyConnected, Add and pools, and with Clip.

    ``Bipolar`` of a Conv or FullyConnected becomes its attribute ``bipolar``. The accelerator clamps for free.
    Left alone where something else reads the value before the clamp, or where a
    bound is not a constant.
    """

    name = "fuse-activation"
    targets = frozenset({"Conv", "FullyConnected", "Add", "AveragePool", "GlobalAveragePool", "MaxPool"})

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node, "Relu", "Clip"):
            limits = bounds(graph, node)
            producer = graph.producer(node.input(0))
            if limits is None or not isinstance(producer, Node) or producer.op_type not in self.targets:
                continue
            if graph.sole_consumer(producer.output) is not node or len(producer.outputs) > 1:
                continue
            low, high = producer.clip()
            # ONNX: the upper bound wins where the bounds cross
            clip = (min(max(low, limits[0]), limits[1]), min(max(high, limits[0]), limits[1]))
            fused = producer.with_attributes(clip=clip)
            graph.remove(producer.name)
            graph.replace(
                node.name, Node(fused.name, fused.op_type, fused.inputs, node.outputs, fused.attributes, fused.domain)
            )
            changed = True
        for node in graph.walk(Node, "Bipolar"):
            changed |= self._fuse_bipolar(graph, node)
        return changed

    def _fuse_bipolar(self, graph: Graph, node: Node) -> bool:
        layer = graph.producer(node.input(0))
        if not isinstance(layer, Node) or layer.op_type not in ("Conv", "FullyConnected"):
            return False
        if {"clip", "bipolar"} & set(layer.attributes) or graph.sole_consumer(layer.output) is not node:
            return False
        graph.remove(layer.name)
        fused = layer.with_attributes(bipolar=node.real("scale", 1.0))
        graph.replace(
            node.name, Node(fused.name, fused.op_type, fused.inputs, node.outputs, fused.attributes, fused.domain)
        )
        return True
