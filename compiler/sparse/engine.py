"""The sparse engine by itself: a matrix over given activations, weights and activations on chip.

What EIE's tables measure: no DRAM, no output stage. :mod:`rtl.sparse.timing` decides every cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.sparse.blocks import cut, room_of
from rtl.isa import Space, Sparse
from rtl.sparse.timing import SparseTiming
from rtl.sparse.work import SparseWork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.sparse.blocks import ColumnBlock
    from compiler.sparse.csc import Compressed
    from rtl.config import ArchConfig

__all__ = ["EngineRun", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRun:
    """What the engine did for one matrix and some vectors."""

    cycles: int
    """From the issue of the first instruction to the retirement of the last."""
    entries: int
    """Read by all PEs, padding included."""
    padding: int
    stalls: int
    """Cycles in which an activation waited for a PE to have room."""
    pes: int

    @property
    def theoretical_cycles(self) -> float:
        """All PEs busy all the time: EIE's theoretical time."""
        return self.entries / self.pes

    @property
    def efficiency(self) -> float:
        """Share of the cycles in which a PE has an entry, 0..1: EIE's load balance."""
        return self.theoretical_cycles / self.cycles


def run(
    matrix: Compressed, nonzero: NDArray[np.bool_], config: ArchConfig, *, together: int | None = None
) -> EngineRun:
    """``matrix`` times vectors whose elements are other than zero where ``nonzero`` ``[vectors, columns]`` is.

    ``together`` is how many elements of a vector lie side by side (a convolution's rows of its window), all without it.
    Vectors follow one another for each block of columns that the memories hold.

    Raises:
        ModelError: ``nonzero`` is not of the matrix's columns.

    """
    if nonzero.ndim != 2 or nonzero.shape[1] != matrix.columns:
        raise ModelError(f"vectors of {nonzero.shape[-1]} elements for a matrix of {matrix.columns} columns")
    blocks = cut(matrix, config.sparse, room_of(config.sparse))
    instructions = [_instruction(block, len(nonzero), together) for block in blocks]
    works = [
        _work(block, nonzero[:, block.start : block.stop], i, config)
        for block, i in zip(blocks, instructions, strict=True)
    ]
    timing = SparseTiming(config, works)
    first, retired = timing.ready(), 0
    for i in instructions:
        retired = timing.issue(timing.ready(), i)
    total = {name: sum(events[name] for events in timing.events) for name in timing.events[0]}
    return EngineRun(
        cycles=retired - first,
        entries=total["sparse_macs"] + total["sparse_padding"],
        padding=total["sparse_padding"],
        stalls=total["sparse_stalls"],
        pes=config.sparse.pes,
    )


def _instruction(block: ColumnBlock, vectors: int, together: int | None) -> Sparse:
    side_by_side = together if together and block.columns % together == 0 else block.columns
    return Sparse(
        source=Space.IFM, act=0, out_w=vectors, out_h=1, x_stride=0, y_stride=0, run=side_by_side, kx=1, kx_stride=0,
        ky=block.columns // side_by_side, ky_stride=side_by_side, zero_point=0, column=0, entry=0, acc=0, acc_stride=0,
    )  # fmt: skip


def _work(block: ColumnBlock, nonzero: NDArray[np.bool_], i: Sparse, config: ArchConfig) -> SparseWork:
    matrix, pointers = block.matrix, block.pointers.astype(np.int32)
    firsts = np.arange(0, i.run, config.banks)
    chunks = np.add.reduceat(nonzero.reshape(-1, i.run), firsts, axis=1, dtype=np.int32).reshape(-1)
    before = np.concatenate([[0], np.cumsum(matrix.codes == 0)])[matrix.starts[:, block.start : block.stop + 1]]
    return SparseWork(
        chunks=chunks,
        columns=np.nonzero(nonzero)[1].astype(np.int32),
        starts=np.ascontiguousarray(pointers[:-1]),
        ends=np.ascontiguousarray(pointers[1:]),
        padding=np.diff(before, axis=1).sum(axis=0, dtype=np.int32),
    )
