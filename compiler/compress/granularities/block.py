"""Tiles of the weight matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.granularities.base import GRANULARITIES, PatternGranularity
from compiler.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Block"]


@GRANULARITIES.register("block", paper="Narang, Undersander, Diamos: Block-Sparse Recurrent Neural Networks, 2017")
@dataclass(frozen=True, slots=True)
class Block(PatternGranularity):
    """Blocks of ``rows`` filters by ``columns`` weights of a filter; those at the edges are smaller."""

    rows: int = 4
    columns: int = 4

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise ModelError(f"granularity 'block': rows and columns are 1 or more, not {self.rows} by {self.columns}")

    def labels(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """By the block of the matrix ``[filters, channels * height * width]``."""
        filters, width = shape[0], int(np.prod(shape[1:]))
        row, column = np.ogrid[:filters, :width]
        across = -(-width // self.columns)
        return ((row // self.rows) * across + column // self.columns).astype(np.int64).reshape(shape)
