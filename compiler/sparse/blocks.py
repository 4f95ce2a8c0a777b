"""A compressed matrix in pieces of whole columns, each of which the sparse engine's memories hold.

Pointers are 16 bits and count from a block's first row, so that a block can lie anywhere in the sparse-matrix memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from rtl.sparse.layout import POINTER_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.sparse.csc import Compressed
    from rtl.config import SparseConfig

__all__ = ["ColumnBlock", "LongColumnError", "Room", "cut", "room_of"]

_MOST_ENTRIES = (1 << 8 * POINTER_BYTES) - 1
"""What a pointer counts to."""


class LongColumnError(ModelError):
    """A single column has more entries in one PE than its memory holds; a matrix of fewer rows may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a block may take of each PE's memories: all of it, or half where two blocks take turns."""

    rows: int
    """Of the sparse-matrix memory."""
    pointers: int


@dataclass(frozen=True, slots=True, eq=False)
class ColumnBlock:
    """Columns ``start`` to ``stop`` (not included) of a compressed matrix."""

    matrix: Compressed
    start: int
    stop: int

    @property
    def columns(self) -> int:
        """How many."""
        return self.stop - self.start

    @property
    def pointers(self) -> NDArray[np.uint16]:
        """``[columns + 1, pes]``: entries of the PE in this block before each column, and in all."""
        starts = self.matrix.starts[:, self.start : self.stop + 1]
        return (starts - starts[:, :1]).T.astype(np.uint16)

    @property
    def entries(self) -> int:
        """Of the PE that has most."""
        return int((self.matrix.starts[:, self.stop] - self.matrix.starts[:, self.start]).max())

    def rows(self, sparse: SparseConfig) -> int:
        """Rows of the sparse-matrix memory that it takes in every PE."""
        return -(-self.entries // sparse.row_entries)


def room_of(sparse: SparseConfig) -> Room:
    """The whole of a PE's memories."""
    return Room(rows=sparse.spmat_kib * 1024 // sparse.row_bytes, pointers=sparse.pointers)


def cut(matrix: Compressed, sparse: SparseConfig, room: Room) -> tuple[ColumnBlock, ...]:
    """As few blocks as ``room`` allows, each as wide as it can be.

    Raises:
        LongColumnError: a single column does not fit.
        ModelError: there is no room for pointers.

    """
    most = min(room.rows * sparse.row_entries, _MOST_ENTRIES)
    if room.pointers < 2:
        raise ModelError(
            f"a column needs 2 pointers in each PE and {room.pointers} are to be had (raise sparse.pointers)"
        )
    blocks = []
    start = 0
    while start < matrix.columns:
        ahead = matrix.starts[:, start + 1 : start + room.pointers]
        fullest = (ahead - matrix.starts[:, start, None]).max(axis=0)
        columns = int(np.searchsorted(fullest, most, side="right"))
        if not columns:
            raise LongColumnError(
                f"column {start} has {fullest[0]} entries in one PE, where {most} fit "
                "(raise sparse.spmat_kib or sparse.pes)"
            )
        blocks.append(ColumnBlock(matrix, start, start + columns))
        start += columns
    return tuple(blocks)
