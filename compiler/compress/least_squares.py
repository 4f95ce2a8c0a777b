"""Local fine-tuning in closed form: each layer's kept weights are set so that its output is what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.layers import Layer, weight_layers
from compiler.compress.linear_problem import problem
from compiler.compress.masks import Masks
from compiler.compress.rows import layer_inputs, output_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["LocalFit", "least_squares"]


@dataclass(frozen=True, slots=True)
class LocalFit:
    """How to fit. ``damping`` times the mean square of the inputs keeps weights that no input tells apart small."""

    samples: int = 256
    damping: float = 1e-4


def least_squares(graph: Graph, reference: Graph, masks: Masks, trainer: Trainer, fit: LocalFit | None = None) -> Graph:
    """``graph``, pruned by ``masks``, with weights and biases that bring each layer's output back to ``reference``'s.

    ``min |Y - W X - b|^2 + damping |W - W0|^2`` over the kept weights of each filter and its bias, where ``Y`` is what
    the same layer of ``reference`` gives, ``X`` what the layer sees now, after the layers before it were fitted, and
    ``W0`` its weights now. Step 4 of Yang, Chen and Sze, CVPR 2017. Layers that ``reference`` does not have stay as
    they are.
    """
    fit = fit or LocalFit()
    fitted = masks.apply(graph)
    targets = {layer.name: layer for layer in weight_layers(reference)}
    for layer in weight_layers(fitted):
        if layer.name not in targets or layer.weights not in masks:
            continue
        wanted = trainer.activations(reference, fit.samples, [targets[layer.name].node.output])
        seen = trainer.activations(fitted, fit.samples, [layer.node.input(0)])
        x = layer_inputs(fitted, layer, seen[layer.node.input(0)])
        y = output_rows(layer, wanted[targets[layer.name].node.output])
        if y.shape[1] != len(layer.value(fitted)):
            continue
        _fit_layer(fitted, layer, masks, x, y, fit.damping)
    return fitted


def _fit_layer(
    graph: Graph, layer: Layer, masks: Masks, x: NDArray[np.floating], y: NDArray[np.floating], damping: float
) -> None:
    """Set the weights of ``layer``, and its bias, from inputs ``[groups, rows, d]`` and outputs ``[rows, filters]``."""
    kernels = layer.value(graph)
    shape = (layer.groups, -1, x.shape[2])
    rows, kept = kernels.reshape(shape), layer.kernels(masks[layer.weights]).reshape(shape)
    wanted = np.split(y, layer.groups, axis=1)
    bias = graph.constant(layer.node.input(2)) if layer.node.input(2) else None
    fitted, offsets = np.zeros(rows.shape), []
    for group in range(layer.groups):
        task = problem(x[group], wanted[group], rows[group].T, centred=bias is not None, damping=damping)
        weights = task.solve(kept[group].T)
        fitted[group] = weights.T
        offsets.append(task.bias(weights))
    graph.set_constant(layer.weights, layer.restore(fitted.reshape(kernels.shape)).astype(np.float32))
    if bias is not None:
        graph.set_constant(layer.node.input(2), np.concatenate(offsets).astype(np.float32).reshape(bias.shape))
