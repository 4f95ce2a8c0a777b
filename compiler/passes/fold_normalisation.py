"""Scaling and shifting before a layer, such as the normalisation of an input, folded into the layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.ir import Graph, Node
from compiler.passes.affine import Affine, affine_of

__all__ = ["FoldNormalisation"]


class FoldNormalisation:
    """``conv((x - mean) / sigma)`` becomes ``conv'(x)`` with ``W / sigma`` and ``b - W mean / sigma``.

    For ``Conv`` and ``FullyConnected`` with float weights, for any per-channel scale and shift. Left alone where
    something else reads the normalised tensor; where weights see padding, whose zeros stand for the mean, and the
    shift is not zero; where a fully connected layer does not read the channels themselves.
    """

    name = "fold-normalisation"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for layer in graph.walk(Node, "Conv", "FullyConnected"):
            folded = self._fold_one(graph, layer)
            while folded is not None:
                changed = True
                folded = self._fold_one(graph, folded)
        return changed

    def _fold_one(self, graph: Graph, layer: Node) -> Node | None:
        """The layer with one step of normalisation in it; None if there is none to take."""
        node = graph.producer(layer.input(0))
        affine = affine_of(graph, node) if isinstance(node, Node) else None
        if affine is None or not isinstance(node, Node) or graph.sole_consumer(node.output) is not layer:
            return None
        folded = self._fold(graph, layer, affine)
        if folded is not None:
            graph.replace(layer.name, folded)
            graph.remove(node.name)
        return folded

    def _fold(self, graph: Graph, layer: Node, affine: Affine) -> Node | None:
        weights, bias = graph.constant(layer.input(1)), graph.constant(layer.input(2))
        if weights is None or (layer.input(2) and bias is None):
            return None
        padded = any(layer.integers("pads")) or layer.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        if layer.op_type == "Conv" and padded and affine.shift.any():
            return None
        wide = weights.astype(np.float64)
        if layer.op_type == "FullyConnected":
            matrix = wide.T if layer.integer("transB", 0) else wide
            if matrix.shape[0] != affine.scale.size:
                return None
            shift = affine.shift @ matrix
            matrix = matrix * affine.scale[:, None]
            scaled = matrix.T if layer.integer("transB", 0) else matrix
        else:
            groups = layer.integer("group", 1)
            per_filter = np.repeat(affine.scale.reshape(groups, -1), weights.shape[0] // groups, axis=0)
            shifts = np.repeat(affine.shift.reshape(groups, -1), weights.shape[0] // groups, axis=0)
            shift = (wide.reshape(*wide.shape[:2], -1).sum(axis=2) * shifts).sum(axis=1)
            scaled = wide * per_filter.reshape(*per_filter.shape, *(1,) * (weights.ndim - 2))
        old = np.zeros_like(shift) if bias is None else bias.astype(np.float64)
        names = (
            graph.add_constant(f"{layer.name}/weights", scaled.astype(weights.dtype)),
            graph.add_constant(f"{layer.name}/bias", (old + shift).astype(weights.dtype)),
        )
        return replace(layer, inputs=(affine.source, *names))
