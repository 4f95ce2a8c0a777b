"""Padding as part of the convolution that reads it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.ir import Graph, Node

__all__ = ["FusePad"]


class FusePad:
    """``conv(pad(x))`` becomes ``conv(x)`` with larger ``pads``.

    Left alone unless the padding is a constant zero (on quantised tensors, the zero point), adds and does not crop,
    touches only the spatial axes, and only one convolution reads it. A dequantise between the two is stepped over.
    """

    name = "fuse-pad"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for pad in graph.walk(Node, "Pad"):
            amounts = self._amounts(graph, pad)
            reader = graph.sole_consumer(pad.output)
            between = reader if isinstance(reader, Node) and reader.op_type == "DequantizeLinear" else None
            conv = graph.sole_consumer(between.output) if between is not None else reader
            if amounts is None or not isinstance(conv, Node) or conv.op_type != "Conv":
                continue
            if conv.input(0) != (between or pad).output or conv.text("auto_pad", "NOTSET") != "NOTSET":
                continue
            if not self._is_zero(graph, pad, between):
                continue
            self._fuse(graph, pad, between, conv, amounts)
            changed = True
        return changed

    def _amounts(self, graph: Graph, pad: Node) -> tuple[int, ...] | None:
        """What the pad adds before and after each spatial axis; None if it does anything else."""
        if pad.text("mode", "constant") != "constant" or pad.input(3):
            return None
        constant = graph.constant(pad.input(1)) if pad.input(1) else None
        amounts = pad.integers("pads") if constant is None else tuple(int(v) for v in constant.reshape(-1))
        rank = len(graph.tensor(pad.input(0)).shape)
        if len(amounts) != 2 * rank or min(amounts) < 0 or any(amounts[i] for i in (0, 1, rank, rank + 1)):
            return None
        return (*amounts[2:rank], *amounts[rank + 2 :])

    def _is_zero(self, graph: Graph, pad: Node, between: Node | None) -> bool:
        value = graph.constant(pad.input(2)) if pad.input(2) else np.asarray(pad.real("value", 0.0))
        if value is None or value.size != 1:
            return False
        zero = graph.constant(between.input(2)) if between is not None and between.input(2) else np.zeros(1)
        return zero is not None and zero.size == 1 and float(value.reshape(-1)[0]) == float(zero.reshape(-1)[0])

    def _fuse(self, graph: Graph, pad: Node, between: Node | None, conv: Node, amounts: tuple[int, ...]) -> None:
        have = conv.integers("pads", (0,) * len(amounts))
        padded = conv.with_attributes(pads=tuple(a + b for a, b in zip(have, amounts, strict=True)))
        if between is None:
            graph.replace(conv.name, replace(padded, inputs=(pad.input(0), *conv.inputs[1:])))
        else:
            graph.replace(conv.name, padded)
            graph.replace(between.name, replace(between, inputs=(pad.input(0), *between.inputs[1:])))
            tensor = graph.tensor(between.output)
            graph.add_tensor(replace(tensor, shape=graph.tensor(pad.input(0)).shape))
        graph.remove(pad.name)
