"""What SPARSE and SPARSE_POST mean, in numpy; what each SPARSE found, for those who time it.

The resident matrix is decoded once, however many instructions run over it, and whatever comes by again later.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from rtl.isa import Space
from rtl.sparse.layout import CODEBOOK_VALUE_BYTES, POINTER_BYTES, SparseLayout
from rtl.sparse.work import SparseWork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtl.config import ArchConfig
    from rtl.isa import Sparse

__all__ = ["DecodedMatrices", "Matrix", "SparseMachine", "walk"]

_MOST_DECODED = 64
"""Matrices that are remembered: the column blocks of a layer come round with every tile."""


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Columns of the sparse matrix as the PEs hold them, decoded."""

    weights: sparse.csr_matrix
    """``[rows * pes, columns]`` int64 by position: local row r of PE p is position ``r * pes + p``."""
    starts: NDArray[np.int32]
    """``[columns, pes]``: first entry of each column, from row ``entry`` on."""
    ends: NDArray[np.int32]
    """``[columns, pes]``: the one behind its last."""
    padding: NDArray[np.int32]
    """``[columns]``: entries of code 0, of all PEs."""
    backwards: NDArray[np.bool_]
    """``[columns]``: some PE's pointers say that it ends before it begins. It is no fault unless it is multiplied."""


class DecodedMatrices:
    """Matrices by their bytes, the latest :data:`_MOST_DECODED` of them; machines of one configuration may share it."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[int, bytes], Matrix] = OrderedDict()

    def get(self, key: tuple[int, bytes]) -> Matrix | None:
        """The matrix last put under ``key``, if it is still there."""
        if key in self._found:
            self._found.move_to_end(key)
        return self._found.get(key)

    def put(self, key: tuple[int, bytes], matrix: Matrix) -> None:
        """Remember ``matrix``, and forget the one that was not asked for the longest."""
        self._found[key] = matrix
        if len(self._found) > _MOST_DECODED:
            self._found.popitem(last=False)


class SparseMachine:
    """Memories and sums of the sparse engine.

    Raises (all methods):
        IndexError: an address outside its memory, or a column that ends before it begins: SCRATCHPAD in the RTL.
    """

    def __init__(self, config: ArchConfig, decoded: DecodedMatrices | None = None) -> None:
        self._sparse, self._banks = config.sparse, config.banks
        self._layout = layout = SparseLayout(config)
        self._decoded = decoded or DecodedMatrices()
        self.spad = {
            Space.SPMAT: np.zeros(layout.spmat_bytes, np.uint8),
            Space.POINTER: np.zeros(layout.pointer_bytes, np.uint8),
            Space.CODEBOOK: np.zeros(layout.codebook_bytes, np.uint8),
        }
        self.sums = np.zeros((2 * config.sparse.accumulators, config.sparse.pes), np.int32)
        self._current: dict[tuple[int, int, int, int], Matrix] = {}

    def loaded(self) -> None:
        """A LOAD has written to one of the memories."""
        self._current.clear()

    def multiply(self, i: Sparse, spad: NDArray[np.int8]) -> SparseWork:
        """Run a SPARSE over ``spad``, the scratchpad that it names; what it found there decides its time."""
        offsets = (walk(i.ky, i.ky_stride, i.kx, i.kx_stride)[:, None] + np.arange(i.run)).ravel()
        vectors = i.act + walk(i.out_h, i.y_stride, i.out_w, i.x_stride)
        acts = spad[vectors[:, None] + offsets].astype(np.int64) - i.zero_point
        matrix = self._matrix(i, len(offsets))
        wrong = np.flatnonzero(matrix.backwards & acts.any(axis=0))
        if len(wrong):
            raise IndexError(f"SPARSE multiplies column {wrong[0]}, whose pointers end before they begin")
        products = np.asarray(matrix.weights @ acts.T)
        pes = self._sparse.pes
        rows = products.shape[0] // pes
        for m in range(len(vectors)):
            first = i.acc + m * i.acc_stride
            part = self.sums[first : first + rows]
            if len(part) < rows:
                raise IndexError(f"vector {m} of SPARSE adds to sums {first} to {first + rows - 1}")
            part += products[:, m].reshape(rows, pes).astype(np.int32)
        return self._work(i, acts != 0, matrix)

    def _work(self, i: Sparse, nonzero: NDArray[np.bool_], matrix: Matrix) -> SparseWork:
        firsts = np.arange(0, i.run, self._banks)
        return SparseWork(
            chunks=np.add.reduceat(nonzero.reshape(-1, i.run), firsts, axis=1, dtype=np.int32).ravel(),
            columns=np.nonzero(nonzero)[1].astype(np.int32),
            starts=matrix.starts,
            ends=matrix.ends,
            padding=matrix.padding,
        )

    def drain(self, acc: int, acc_stride: int, vectors: int, channels: int) -> NDArray[np.int32]:
        """``[vectors, channels]``: sums, which are zero after that."""
        q = np.arange(channels)
        rows = acc + np.arange(vectors)[:, None] * acc_stride + q // self._sparse.pes
        found = self.sums[rows, q % self._sparse.pes]
        self.sums[rows, q % self._sparse.pes] = 0
        return found

    def _matrix(self, i: Sparse, columns: int) -> Matrix:
        place = (i.column, i.entry, i.table, columns)
        if place not in self._current:
            self._current[place] = self._decode(i, columns)
        return self._current[place]

    def _decode(self, i: Sparse, columns: int) -> Matrix:
        sparse_, layout, pes = self._sparse, self._layout, self._sparse.pes
        if i.column + columns >= layout.columns:
            raise IndexError(f"SPARSE reads pointers {i.column} to {i.column + columns} of {layout.columns}")
        first = i.column * layout.pointer_stride
        raw = self.spad[Space.POINTER][first : first + (columns + 1) * layout.pointer_stride]
        raw = raw.reshape(columns + 1, layout.pointer_stride)[:, : pes * POINTER_BYTES]
        pointers = np.ascontiguousarray(raw).view("<u2").astype(np.int64)
        rows = -(-int(pointers.max(initial=0)) // sparse_.row_entries)
        if i.entry + rows > layout.rows:
            raise IndexError(f"SPARSE reads rows {i.entry} to {i.entry + rows - 1} of {layout.rows}")
        first = i.entry * layout.row_stride
        entries = self.spad[Space.SPMAT][first : first + rows * layout.row_stride]
        values = self._values(i.table)
        key = (columns, hashlib.blake2b(b"".join(a.tobytes() for a in (pointers, entries, values))).digest())
        matrix = self._decoded.get(key)
        if matrix is None:
            matrix = self._decompress(pointers, entries.reshape(rows, layout.row_stride), values)
            self._decoded.put(key, matrix)
        return matrix

    def _values(self, table: int) -> NDArray[np.int64]:
        """The weight of each code."""
        codes, stride = 1 << self._sparse.code_bits, self._layout.codebook_stride
        if self._sparse.weights == "int8":
            return np.arange(codes).astype(np.int8).astype(np.int64)
        raw = self.spad[Space.CODEBOOK][table * codes * stride : (table + 1) * codes * stride]
        return np.ascontiguousarray(raw.reshape(codes, stride)[:, :CODEBOOK_VALUE_BYTES]).view("<i2")[:, 0].astype(int)

    def _decompress(self, pointers: NDArray[np.int64], raw: NDArray[np.uint8], values: NDArray[np.int64]) -> Matrix:
        """The matrix of ``pointers`` ``[columns + 1, pes]`` and SPMAT rows ``raw``."""
        config, pes, columns = self._sparse, self._sparse.pes, len(pointers) - 1
        starts, backwards = pointers[:-1], pointers[:-1] > pointers[1:]
        # Nothing is read of a column that ends before it begins.
        ends = np.where(backwards, starts, pointers[1:])
        entries = _unpack(raw[:, : pes * config.row_bytes].reshape(-1, pes, config.row_bytes), config.entry_bits)
        entries = entries[:, :, : config.row_entries].transpose(1, 0, 2).reshape(pes, -1)
        # Entry by entry, PE after PE and column by column: what holds for all of a column is found once and repeated.
        lengths = (ends - starts).T.ravel()
        first = np.concatenate([[0], np.cumsum(lengths)])
        stored = starts.T + np.arange(pes)[:, None] * entries.shape[1]
        found = entries.ravel()[np.repeat(stored.ravel() - first[:-1], lengths) + np.arange(first[-1])]
        code, skip = found & ((1 << config.code_bits) - 1), found >> config.code_bits
        steps = np.concatenate([[0], np.cumsum(skip + 1, dtype=np.int64)])
        row = steps[1:] - np.repeat(steps[first[:-1]] + 1, lengths)
        column = np.repeat(np.tile(np.arange(columns, dtype=np.int32), pes), lengths)
        pe = np.repeat(np.arange(pes), lengths.reshape(pes, columns).sum(axis=1))
        real = code != 0
        shape = (int(row.max(initial=-1)) + 1) * pes, columns
        where = ((row * pes + pe)[real], column[real])
        weights = sparse.csr_matrix((values[code[real]], where), shape, np.int64)
        padding = np.bincount(column[~real], minlength=columns)
        starts, ends, padding = (a.astype(np.int32) for a in (starts, ends, padding))
        return Matrix(weights, starts, ends, padding, np.logical_or.reduce(backwards, axis=1))


def _unpack(rows: NDArray[np.uint8], bits: int) -> NDArray[np.int32]:
    """Entries of ``bits`` bits each, lowest first, of bytes ``[..., row_bytes]``."""
    bit = (np.arange(8 * rows.shape[-1] // bits) * bits).astype(np.int32)
    # Bytes that an entry can lie in: one where entries are bytes.
    span = (int((bit % 8).max(initial=0)) + bits + 7) // 8
    padded = np.concatenate([rows, np.zeros((*rows.shape[:-1], span - 1), np.uint8)], axis=-1)
    window = np.zeros((*rows.shape[:-1], len(bit)), np.int32)
    for byte in range(span):
        window |= padded[..., bit // 8 + byte].astype(np.int32) << (8 * byte)
    return (window >> (bit % 8)) & ((1 << bits) - 1)


def walk(rows: int, row_stride: int, cols: int, col_stride: int) -> NDArray[np.int64]:
    """Byte offsets of a 2-D walk, row by row, flat."""
    return (np.arange(rows)[:, None] * row_stride + np.arange(cols) * col_stride).ravel()
