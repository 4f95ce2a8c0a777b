"""Patterns without settings: element, row, column, kernel and shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.granularities.base import GRANULARITIES, PatternGranularity

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Column", "Element", "Kernel", "Row", "Shape"]

MAO = (
    "Mao, Han, Pool, Li, Liu, Wang, Dally: Exploring the Granularity of Sparsity in Convolutional Neural Networks, "
    "CVPR Workshops 2017"
)


def _numbered(filters: NDArray, channels: NDArray, rows: NDArray, columns: NDArray) -> NDArray[np.int64]:
    """Numbers for the combinations of four coordinates that broadcast together."""
    grid = np.broadcast_arrays(filters, channels, rows, columns)
    sizes = [int(part.max(initial=0)) + 1 for part in grid]
    return np.ravel_multi_index(tuple(grid), sizes).astype(np.int64)


def _axes(shape: tuple[int, ...]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    f, c, h, w = np.ogrid[tuple(slice(n) for n in shape)]
    return f, c, h, w


@GRANULARITIES.register(
    "element",
    paper="Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural Networks, NIPS 2015",
)
@dataclass(frozen=True, slots=True)
class Element(PatternGranularity):
    """Single weights."""

    def labels(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Each its own."""
        return np.arange(int(np.prod(shape))).reshape(shape)


@GRANULARITIES.register("row", paper=MAO)
@dataclass(frozen=True, slots=True)
class Row(PatternGranularity):
    """A row of a kernel's weights; of a fully connected layer, what one output reads (a row of its matrix)."""

    def labels(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """All columns of a row are one."""
        f, c, h, w = _axes(shape)
        if shape[2:] == (1, 1):
            return _numbered(f, c * 0, h, w)
        return _numbered(f, c, h, w * 0)


@GRANULARITIES.register("column", paper=MAO)
@dataclass(frozen=True, slots=True)
class Column(PatternGranularity):
    """A column of a kernel's weights; of a fully connected layer, what reads one input (a column of its matrix)."""

    def labels(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """All rows of a column are one."""
        f, c, h, w = _axes(shape)
        if shape[2:] == (1, 1):
            return _numbered(f * 0, c, h, w)
        return _numbered(f, c, h * 0, w)


@GRANULARITIES.register("kernel", paper=MAO)
@dataclass(frozen=True, slots=True)
class Kernel(PatternGranularity):
    """A two-dimensional kernel: the connection of one input channel with one filter."""

    def labels(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """All positions of a kernel are one."""
        f, c, h, w = _axes(shape)
        return _numbered(f, c, h * 0, w * 0)


@GRANULARITIES.register(
    "shape", paper="Wen, Wu, Wang, Chen, Li: Learning Structured Sparsity in Deep Neural Networks, NIPS 2016"
)
@dataclass(frozen=True, slots=True)
class Shape(PatternGranularity):
    """The same position of the same channel in every filter: the layer's filters keep one common shape.

    It is a row of the im2col matrix, which the array then need not load.
    """

    def labels(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """All filters are one."""
        f, c, h, w = _axes(shape)
        return _numbered(f * 0, c, h, w)
