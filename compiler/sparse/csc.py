"""Relative-index compressed sparse columns, interleaved over processing elements (EIE, Han et al. 2016, III.A-B).

Row q of the matrix lies in PE ``q % pes`` and is its local row ``q // pes``. Each PE holds its share column by column:
an entry is the code of a weight and the number of zeros of the PE's own rows before it, since the entry before in the
column or the column's start. A run longer than ``longest_run`` is broken by padding entries: code 0, the longest run.
Zeros behind a column's last entry take none. ::

    a PE's rows of a column   0 0 0 0 0 7 0 9 0        longest run 3
    entries (run, code)       (3, 0) (1, 7) (1, 9)     the first is padding and stands for row 3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtl.config import SparseConfig

__all__ = ["Compressed", "counts", "decode", "encode"]


@dataclass(frozen=True, slots=True, eq=False)
class Compressed:
    """A matrix ``[rows, columns]`` of codes in relative-index form, all entries of PE 0 first."""

    rows: int
    columns: int
    codes: NDArray[np.uint8]
    """``[entries]``; padding has code 0."""
    runs: NDArray[np.uint8]
    """``[entries]``: zeros before each."""
    starts: NDArray[np.int64]
    """``[pes, columns + 1]``: where in ``codes`` a PE's column starts, and behind the last one, where the PE's end."""

    @property
    def pes(self) -> int:
        """Processing elements that share the rows."""
        return len(self.starts)

    @property
    def entries(self) -> NDArray[np.int64]:
        """``[columns, pes]``: entries of each column in each PE, padding included."""
        return np.ascontiguousarray(np.diff(self.starts, axis=1).T)

    @property
    def padding(self) -> int:
        """Entries of code 0."""
        return int(np.count_nonzero(self.codes == 0))


def encode(codes: NDArray[np.integer], sparse: SparseConfig) -> Compressed:
    """Compress ``codes`` ``[rows, columns]``, in which 0 is a weight that is not stored.

    With ``weights: int8`` a code is the weight itself, as the byte that holds it.

    Raises:
        ModelError: a code is out of the range that ``sparse.code_bits`` holds.

    """
    _check(codes, sparse)
    rows, columns = codes.shape
    column, row, weights = _by_pe(codes.astype(np.uint8, copy=False), sparse.pes)
    gap = _gaps(column, row)
    last = np.cumsum((gap >> sparse.index_bits) + 1, dtype=np.int64)
    stored = np.zeros(last[-1] if len(last) else 0, np.uint8)
    runs = np.full(len(stored), sparse.longest_run, np.uint8)
    stored[last - 1] = weights
    runs[last - 1] = gap & sparse.longest_run
    first = np.cumsum(np.bincount(column, minlength=sparse.pes * columns))
    ends = np.concatenate([[0], last])[np.concatenate([[0], first])]
    starts = ends[np.arange(sparse.pes)[:, None] * columns + np.arange(columns + 1)]
    return Compressed(rows, columns, stored, runs, starts)


def decode(matrix: Compressed) -> NDArray[np.uint8]:
    """The codes ``[rows, columns]`` that :func:`encode` was given.

    Raises:
        ModelError: an entry lies behind the last row, as no encoder makes them.

    """
    pes, columns = matrix.pes, matrix.columns
    lengths = np.diff(matrix.starts, axis=1).ravel()
    column_of = np.repeat(np.arange(pes * columns), lengths)
    # Rows counted over all entries, less what had been counted when the entry's column started.
    passed = np.concatenate([[0], np.cumsum(matrix.runs.astype(np.int64) + 1)])
    local = passed[1:] - 1 - np.repeat(passed[matrix.starts[:, :-1].ravel()], lengths)
    row, column = local * pes + column_of // columns, column_of % columns
    if len(row) and row.max() >= matrix.rows:
        raise ModelError(f"an entry of column {column[row.argmax()]} stands for row {row.max()} of {matrix.rows}")
    codes = np.zeros((matrix.rows, columns), np.uint8)
    codes[row, column] = matrix.codes
    return codes


def counts(nonzero: NDArray[np.bool_], sparse: SparseConfig) -> NDArray[np.int64]:
    """Entries ``[columns, pes]``, padding included, of a matrix with weights where ``nonzero`` ``[rows, columns]``."""
    return encode(nonzero.astype(np.uint8), sparse).entries


def _check(codes: NDArray, sparse: SparseConfig) -> None:
    if codes.size == 0:
        raise ModelError(f"a matrix of {' x '.join(map(str, codes.shape))} has nothing to compress")
    low, high = int(codes.min()), int(codes.max())
    most = (1 << sparse.code_bits) - 1
    if low < 0 or high > most:
        wrong = high if high > most else low
        raise ModelError(f"code {wrong} is not one of 0..{most}, which sparse.code_bits={sparse.code_bits} holds")


def _by_pe(codes: NDArray[np.uint8], pes: int) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.uint8]]:
    """Of the codes that are not 0, PE after PE: the column, counted over all PEs, the local row, and the code."""
    rows, columns = codes.shape
    by_column = np.ascontiguousarray(codes.T).ravel()
    found = np.flatnonzero(by_column)
    # Half the bytes take half the time.
    places = found.astype(np.int32) if columns * max(rows, pes) < 1 << 31 else found
    column, row = _divmod(places, rows)
    local, pe = _divmod(row, pes)
    # Columns and rows ascend already. NumPy's stable sort of bytes is by radix.
    order = np.argsort(pe.astype(np.uint8), kind="stable")
    return (pe * columns + column)[order], local[order], by_column[found][order]


def _gaps(column: NDArray[np.integer], row: NDArray[np.integer]) -> NDArray[np.integer]:
    """Zeros before each weight, in its own column."""
    gap = row.copy()
    gap[1:] -= np.where(column[1:] == column[:-1], row[:-1] + 1, 0)
    return gap


def _divmod(places: NDArray[np.integer], by: int) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """``np.divmod``, which has no fast division by a scalar; ``//`` has, and is several times as fast."""
    quotient = places // by
    return quotient, places - quotient * by
