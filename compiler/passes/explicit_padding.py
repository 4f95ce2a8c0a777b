"""One way to write the padding of a window."""

from __future__ import annotations

from dataclasses import replace

from compiler.ir import Graph, Node

__all__ = ["ExplicitPadding"]


class ExplicitPadding:
    """``auto_pad`` and ``ceil_mode`` of convolutions and pools become explicit ``pads``; ``kernel_shape`` is filled in.

    Rounding a pool's size up is more padding at the end. An average pool that rounds up is left alone: the elements
    beyond its padding are never counted, so it is no pool of the accelerator's.
    """

    name = "explicit-padding"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node, "Conv", "MaxPool", "AveragePool"):
            done = self._explicit(graph, node)
            if done is not None:
                graph.replace(node.name, done)
                changed = True
        return changed

    def _explicit(self, graph: Graph, node: Node) -> Node | None:
        shape, out = graph.tensor(node.input(0)).shape[2:], graph.tensor(node.output).shape[2:]
        auto, ceil = node.text("auto_pad", "NOTSET"), node.integer("ceil_mode", 0)
        complete = "kernel_shape" in node.attributes and auto == "NOTSET" and not ceil
        if complete or len(out) != len(shape) or len(node.outputs) > 1:
            return None
        rank = len(shape)
        kernel = node.integers("kernel_shape") or graph.tensor(node.input(1)).shape[2:]
        strides, dilations = node.integers("strides", (1,) * rank), node.integers("dilations", (1,) * rank)
        pads = node.integers("pads", (0,) * 2 * rank) if auto == "NOTSET" else (0,) * 2 * rank
        begin, end = list(pads[:rank]), list(pads[rank:])
        for axis in range(rank):
            reach = (out[axis] - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1
            missing = max(reach - shape[axis], 0)
            if auto in ("SAME_UPPER", "SAME_LOWER"):
                begin[axis] = (missing + (auto == "SAME_LOWER")) // 2
                end[axis] = missing - begin[axis]
            elif auto == "NOTSET" and ceil:
                end[axis] = max(end[axis], missing - begin[axis])
        if node.op_type == "AveragePool" and ceil and [*begin, *end] != list(pads):
            return None
        attributes = {k: v for k, v in node.attributes.items() if k not in ("auto_pad", "ceil_mode")}
        attributes |= {"kernel_shape": tuple(kernel), "pads": (*begin, *end)}
        return replace(node, attributes=attributes)
