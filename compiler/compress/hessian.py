"""The Hessian of a layer's squared output error with respect to the weights of one filter, from its inputs.

For ``y = W x`` and the error ``E |(W' - W) x|^2 / 2`` it is ``H = E[x x^T]``, the same for every filter: ``x`` is the
input of a fully connected layer, or the window that a kernel sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.layers import Layer, weight_layers
from compiler.compress.rows import layer_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["BlockHessian", "hessians"]


@dataclass(frozen=True, slots=True, eq=False)
class BlockHessian:
    """The blocks ``[groups, size, size]`` along the diagonal of ``H [groups, columns, columns]``, in order."""

    blocks: tuple[NDArray[np.float64], ...]

    @property
    def columns(self) -> int:
        """Weights of a filter."""
        return sum(block.shape[1] for block in self.blocks)

    def parts(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Which columns each block is of."""
        start = 0
        for block in self.blocks:
            yield slice(start, start + block.shape[1]), block
            start += block.shape[1]

    def damped(self, damping: float) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """The blocks with ``damping`` times the mean of the diagonal added to it; 1 where all of it is zero."""
        for part, block in self.parts():
            mean = np.trace(block, axis1=1, axis2=2) / block.shape[1]
            extra = np.where(mean > 0, damping * mean, 1.0)
            yield part, block + extra[:, None, None] * np.eye(block.shape[1])

    def inverses(self, damping: float) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """The inverse of each damped block."""
        for part, block in self.damped(damping):
            yield part, np.linalg.inv(block).astype(np.float64)


def hessians(graph: Graph, trainer: Trainer, samples: int, block: int) -> Iterator[tuple[Layer, BlockHessian]]:
    """Each layer's, in blocks of at most ``block`` columns, averaged over samples and positions."""
    layers = weight_layers(graph)
    names = list(dict.fromkeys(layer.node.input(0) for layer in layers))
    inputs = trainer.activations(graph, samples, names)
    for layer in layers:
        yield layer, _hessian(layer_inputs(graph, layer, inputs[layer.node.input(0)]), block)


def _hessian(columns: NDArray[np.floating], block: int) -> BlockHessian:
    count, width = columns.shape[1:]
    blocks = []
    for start in range(0, width, block):
        part = columns[:, :, start : start + block].astype(np.float64)
        blocks.append(part.transpose(0, 2, 1) @ part / count)
    return BlockHessian(tuple(blocks))
