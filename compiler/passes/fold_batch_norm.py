"""Batch normalisation, scaling and bias after a layer, folded into the layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.ir import Graph, Node
from compiler.passes.affine import Affine, affine_of
from compiler.repeats import elementwise

__all__ = ["FoldBatchNorm"]


class FoldBatchNorm:
    """``scale * conv(x) + shift`` becomes one ``Conv``: weights times ``scale``, bias times ``scale`` plus ``shift``.

    Covers ``BatchNormalization`` and ``Add``, ``Sub``, ``Mul``, ``Div`` by a constant per channel, after ``Conv`` and
    ``FullyConnected`` with float weights. Left alone where something else reads the layer's result, or where a fused
    activation stands between.
    """

    name = "fold-batch-norm"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node):
            affine = affine_of(graph, node)
            layer = None if affine is None else graph.producer(affine.source)
            if affine is None or not isinstance(layer, Node) or layer.op_type not in ("Conv", "FullyConnected"):
                continue
            if graph.sole_consumer(affine.source) is not node or "clip" in layer.attributes:
                continue
            folded = self._fold(graph, layer, affine)
            if folded is not None:
                graph.remove(layer.name)
                graph.replace(node.name, replace(folded, outputs=(node.output,)))
                changed = True
        return changed

    def _fold(self, graph: Graph, layer: Node, affine: Affine) -> Node | None:
        weights, bias = graph.constant(layer.input(1)), graph.constant(layer.input(2))
        if weights is None or (layer.input(2) and bias is None):
            return None
        old = np.zeros_like(affine.shift) if bias is None else bias.astype(np.float64)
        factors = along(affine.scale, weights.ndim, filter_axis(layer)).astype(weights.dtype)
        names = (
            graph.add_constant(f"{layer.name}/weights", elementwise(np.multiply, weights, factors)),
            graph.add_constant(f"{layer.name}/bias", (old * affine.scale + affine.shift).astype(weights.dtype)),
        )
        return replace(layer, inputs=(layer.input(0), *names))


def filter_axis(layer: Node) -> int:
    """The axis of a layer's weights that runs over its outputs."""
    return 0 if layer.op_type == "Conv" or layer.integer("transB", 0) else 1


def along(vector: NDArray, rank: int, axis: int) -> NDArray:
    """``vector`` shaped to broadcast along one axis of a tensor of ``rank``."""
    shape = [1] * rank
    shape[axis] = -1
    return vector.reshape(shape)
