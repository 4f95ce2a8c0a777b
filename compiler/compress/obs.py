"""The closed-form update of the optimal brain surgeon: what the kept weights become when others go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.hessian import BlockHessian, hessians
from compiler.compress.masks import Masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["surgeon", "update_rows"]


def surgeon(
    graph: Graph, masks: Masks, trainer: Trainer, samples: int, *, block: int = 512, damping: float = 0.01
) -> Graph:
    """``graph`` with its masked weights zero, and the others moved to make up for it, layer by layer.

    Of each filter, ``dw = -H^-1[:, P] (H^-1[P, P])^-1 w[P]`` for the pruned weights ``P``: the least growth of the
    layer's squared output error that any weights with those zeros have (Hassibi and Stork, NIPS 1992, for several
    weights at once). ``H`` is taken from the inputs that the layer had, in blocks of ``block`` weights.
    """
    updated = masks.apply(graph)
    for layer, hessian in hessians(graph, trainer, samples, block):
        if layer.weights not in masks:
            continue
        kernels = layer.value(graph)
        rows = kernels.reshape(layer.groups, -1, hessian.columns)
        kept = layer.kernels(masks[layer.weights]).reshape(rows.shape)
        moved = update_rows(rows.astype(np.float64), kept, hessian, damping)
        updated.set_constant(layer.weights, layer.restore(moved.reshape(kernels.shape)).astype(np.float32))
    return updated


def update_rows(
    rows: NDArray[np.float64], kept: NDArray[np.bool_], hessian: BlockHessian, damping: float
) -> NDArray[np.float64]:
    """The update of filters ``[groups, filters, columns]``."""
    result = np.where(kept, rows, 0.0)
    for part, inverse in hessian.inverses(damping):
        for group in range(rows.shape[0]):
            for row in range(rows.shape[1]):
                gone = ~kept[group, row, part]
                if not gone.any() or gone.all():
                    continue
                w, across = rows[group, row, part], inverse[group]
                change = across[:, gone] @ np.linalg.solve(across[np.ix_(gone, gone)], w[gone])
                result[group, row, part] = np.where(gone, 0.0, w - change)
    return result
