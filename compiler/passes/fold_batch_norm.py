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
    ``FullyConnected``. Of weights that are dequantised constants, the scales take the factor and the integers its sign.
    Left alone where something else reads the layer's result, or where a fused
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
        if layer.input(2) and bias is None:
            return None
        if weights is None:
            return self._fold_integers(graph, layer, affine, bias)
        old = np.zeros_like(affine.shift) if bias is None else bias.astype(np.float64)
        factors = along(affine.scale, weights.ndim, filter_axis(layer)).astype(weights.dtype)
        names = (
            graph.add_constant(f"{layer.name}/weights", elementwise(np.multiply, weights, factors)),
            graph.add_constant(f"{layer.name}/bias", (old * affine.scale + affine.shift).astype(weights.dtype)),
        )
        return replace(layer, inputs=(layer.input(0), *names))

    def _fold_integers(self, graph: Graph, layer: Node, affine: Affine, bias: NDArray | None) -> Node | None:
        """Into ``scale * values``: that is ``|factor| * scale`` and ``sign(factor) * values``."""
        source = graph.producer(layer.input(1))
        if not isinstance(source, Node) or source.op_type != "DequantizeLinear" or source.integer("block_size", 0):
            return None
        values, scale, zero_point = (graph.constant(name) if name else None for name in (*source.inputs, "")[:3])
        if values is None or scale is None or values.dtype != np.int8 or (zero_point is not None and zero_point.any()):
            return None
        axis, channels = filter_axis(layer), affine.scale.size
        if scale.size > 1 and source.integer("axis", 1) % values.ndim != axis:
            return None
        signs = np.sign(affine.scale).astype(np.int16)
        signed = values * along(signs, values.ndim, axis)
        if signed.max(initial=0) > 127:
            return None
        factors = np.where(signs == 0, 1.0, np.abs(affine.scale)) * scale.reshape(-1)
        old = np.zeros(channels) if bias is None else bias.astype(np.float64)
        inputs = (
            graph.add_constant(f"{layer.name}/integers", signed.astype(np.int8)),
            graph.add_constant(f"{layer.name}/scale", factors.astype(np.float32)),
            graph.add_constant(f"{layer.name}/zero_point", np.zeros(channels, np.int8)),
        )
        real = graph.fresh(f"{layer.name}/weights/real")
        graph.add_tensor(replace(graph.tensor(source.output), name=real))
        name = graph.fresh(f"{layer.name}/dequantize")
        graph.insert_before(layer.name, Node(name, "DequantizeLinear", inputs, (real,), {"axis": axis}))
        shift = (old * affine.scale + affine.shift).astype(np.float32)
        return replace(layer, inputs=(layer.input(0), real, graph.add_constant(f"{layer.name}/bias", shift)))


def filter_axis(layer: Node) -> int:
    """The axis of a layer's weights that runs over its outputs."""
    return 0 if layer.op_type == "Conv" or layer.integer("transB", 0) else 1


def along(vector: NDArray, rank: int, axis: int) -> NDArray:
    """``vector`` shaped to broadcast along one axis of a tensor of ``rank``."""
    shape = [1] * rank
    shape[axis] = -1
    return vector.reshape(shape)
