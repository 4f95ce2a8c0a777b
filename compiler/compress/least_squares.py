"""Local fine-tuning in closed form: each layer's kept weights are set so that its output is what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.hessian import layer_inputs
from compiler.compress.layers import Layer, weight_layers
from compiler.compress.masks import Masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["LocalFit", "least_squares", "solve_filter"]


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
        y = _outputs(layer, wanted[targets[layer.name].node.output])
        if y.shape[0] != layer.value(fitted).shape[0]:
            continue
        _fit_layer(fitted, layer, masks, x, y, fit.damping)
    return fitted


def _outputs(layer: Layer, y: NDArray[np.floating]) -> NDArray[np.float64]:
    """``[filters, n * positions]``, in the order of :func:`layer_inputs`."""
    last = layer.node.op_type == "FullyConnected"
    return (
        (np.moveaxis(y, -1, 0) if last else np.moveaxis(y, 1, 0)).reshape(y.shape[-1 if last else 1], -1).astype(float)
    )


def _fit_layer(
    graph: Graph, layer: Layer, masks: Masks, x: NDArray[np.floating], y: NDArray[np.float64], damping: float
) -> None:
    kernels = layer.value(graph)
    filters = kernels.shape[0]
    rows = kernels.reshape(filters, -1).astype(np.float64)
    kept = layer.kernels(masks[layer.weights]).reshape(rows.shape)
    bias = graph.constant(layer.node.input(2)) if layer.node.input(2) else None
    offsets = None if bias is None else bias.astype(np.float64).copy()
    extra = 0 if bias is None else 1
    ones = np.ones((x.shape[0], x.shape[1], extra))
    columns = np.concatenate([x.astype(np.float64), ones], axis=2)
    moments = columns.transpose(0, 2, 1) @ columns
    per_group = filters // layer.groups
    for index in range(filters):
        group = index // per_group
        free = np.append(kept[index], np.ones(extra, bool))
        start = np.append(rows[index], offsets[index] if offsets is not None else [])
        solved = solve_filter(moments[group], columns[group].T @ y[index], start, free, damping)
        rows[index] = solved[: rows.shape[1]]
        if offsets is not None:
            offsets[index] = solved[-1]
    graph.set_constant(layer.weights, layer.restore(rows.reshape(kernels.shape)).astype(np.float32))
    if offsets is not None:
        graph.set_constant(layer.node.input(2), offsets.astype(np.float32))


def solve_filter(
    moments: NDArray[np.float64],
    cross: NDArray[np.float64],
    start: NDArray[np.float64],
    free: NDArray[np.bool_],
    damping: float,
) -> NDArray[np.float64]:
    """``argmin w^T M w - 2 c^T w + d |w - start|^2`` over the ``free`` weights, the others zero.

    ``d`` is ``damping`` times the mean of the diagonal of ``M = X^T X``; ``c = X^T y``.
    """
    solved = np.zeros_like(start)
    if not free.any():
        return solved
    inside = moments[np.ix_(free, free)]
    scale = float(np.trace(inside)) / len(inside)
    extra = damping * scale if scale > 0 else 1.0
    solved[free] = np.linalg.solve(inside + extra * np.eye(len(inside)), cross[free] + extra * start[free])
    return solved
