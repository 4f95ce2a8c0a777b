"""A network before training: weights from a seed in place of those in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.layers import weight_layers
from compiler.ir import Node
from hwsim.training.parameters import trained

if TYPE_CHECKING:
    from compiler.ir import Graph

__all__ = ["initialised"]


def initialised(graph: Graph, seed: int) -> Graph:
    """A copy of ``graph`` with fresh parameters.

    Weights are normal with variance two over their fan-in (He et al., "Delving Deep into Rectifiers", ICCV 2015), batch
    norms the identity, every other trained constant (biases) zero.
    """
    rng, fresh = np.random.default_rng(seed), graph.copy()
    layers = {layer.weights: layer for layer in weight_layers(graph)}
    ones = {node.input(index) for node in graph.select(Node, "BatchNormalization") for index in (1, 4)}
    ones |= {node.input(1) for node in graph.select(Node, "LayerNormalization", "InstanceNormalization")}
    means = {node.input(3) for node in graph.select(Node, "BatchNormalization")}
    for name in dict.fromkeys((*trained(graph), *sorted(ones), *sorted(means))):
        value = graph.constant(name)
        if value is None:
            continue
        if name in layers:
            kernels = layers[name].value(graph)
            drawn = rng.standard_normal(kernels.shape) * np.sqrt(2 / kernels[0].size)
            fresh.set_constant(name, layers[name].restore(drawn).astype(value.dtype))
        else:
            fresh.set_constant(name, np.full_like(value, 1 if name in ones else 0))
    return fresh
