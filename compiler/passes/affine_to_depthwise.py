"""Scaling and shifting that no layer could take, as a layer of its own."""

from __future__ import annotations

import numpy as np

from compiler.ir import Graph, Node
from compiler.passes.affine import affine_of

__all__ = ["AffineToDepthwise"]


class AffineToDepthwise:
    """A per-channel scale and shift of an image becomes a depthwise ``Conv`` of one weight per channel.

    So the accelerator runs it. Runs after the folding passes; left alone on anything but ``[1, C, H, W]``.
    """

    name = "affine-to-depthwise"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node):
            affine = affine_of(graph, node)
            if affine is None:
                continue
            shape = graph.tensor(affine.source).shape
            if len(shape) != 4 or shape[0] != 1 or graph.tensor(affine.source).dtype != np.float32:
                continue
            weights = graph.add_constant(f"{node.name}/weights", affine.scale.reshape(-1, 1, 1, 1).astype(np.float32))
            bias = graph.add_constant(f"{node.name}/bias", affine.shift.astype(np.float32))
            attributes = {"group": shape[1], "kernel_shape": (1, 1)}
            graph.replace(node.name, Node(node.name, "Conv", (affine.source, weights, bias), node.outputs, attributes))
            changed = True
        return changed
