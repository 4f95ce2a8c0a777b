"""What a SPARSE has to do: all of its data that its cycles depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtl.config import ArchConfig
    from rtl.isa import Sparse

__all__ = ["SparseWork", "chunks_of", "sparse_work"]


@dataclass(frozen=True, slots=True, eq=False)
class SparseWork:
    """The activations of one SPARSE that are not zero, and what its matrix holds for them.

    The engine scans runs in chunks of ``config.banks`` bytes, the last one of a run with what is left: vectors first x,
    then y, then ``ky``, ``kx``, and the chunks of a run.
    """

    chunks: NDArray[np.int32]
    """``[chunks]``: non-zeros of each chunk, in order of the scan."""
    columns: NDArray[np.int32]
    """``[sum(chunks)]``: column k of the matrix that each non-zero multiplies, in order, from 0."""
    starts: NDArray[np.int32]
    """``[columns, pes]``: first entry of each column in each PE: the pointer, counted from the block's first row."""
    ends: NDArray[np.int32]
    """``[columns, pes]``: the entry behind its last."""
    padding: NDArray[np.int32]
    """``[columns]``: entries of code 0 among them, in all PEs."""

    def __post_init__(self) -> None:
        if len(self.columns) != self.chunks.sum():
            raise ValueError(f"{len(self.columns)} columns for {self.chunks.sum()} activations other than zero")
        if self.starts.shape != self.ends.shape or len(self.padding) != len(self.starts):
            raise ValueError(f"starts, ends and padding disagree: {self.starts.shape}, {self.ends.shape}")


def chunks_of(i: Sparse, banks: int) -> int:
    """Chunks that ``i`` scans."""
    return i.out_w * i.out_h * i.kx * i.ky * -(-i.run // banks)


def sparse_work(
    config: ArchConfig, i: Sparse, activations: NDArray[np.int8], pointers: NDArray[np.uint16], codes: NDArray[np.uint8]
) -> SparseWork:
    """The work of ``i``.

    ``activations`` is the scratchpad that it reads; ``pointers`` is ``[columns, pes]``, all that are loaded; ``codes``
    is ``[pes, entries]``, the codes of all that is in the sparse-matrix memories.

    Raises:
        IndexError: an activation outside the scratchpad, or a pointer outside its memory.

    """
    count = i.kx * i.ky * i.run
    taps = i.ky_stride * np.arange(i.ky)[:, None] + i.kx_stride * np.arange(i.kx)
    offsets = (taps[..., None] + np.arange(i.run)).reshape(-1)
    vectors = i.act + (i.y_stride * np.arange(i.out_h)[:, None] + i.x_stride * np.arange(i.out_w)).reshape(-1)
    nonzero = activations[vectors[:, None] + offsets] != i.zero_point
    firsts = np.arange(0, i.run, config.banks)
    by_run = nonzero.reshape(-1, i.run)
    chunks = np.add.reduceat(by_run, firsts, axis=1, dtype=np.int32).reshape(-1)
    block = pointers[i.column + np.arange(count + 1)].astype(np.int32)
    base = i.entry * config.sparse.row_entries
    # Padding before every entry of the block; that of a column is a difference.
    held = codes[:, base : base + block.max()]
    before = np.zeros((len(codes), held.shape[1] + 1), np.int32)
    np.cumsum(held == 0, axis=1, out=before[:, 1:])
    padding = before[np.arange(config.sparse.pes), block]
    return SparseWork(
        chunks=chunks,
        columns=np.nonzero(nonzero)[1].astype(np.int32),
        starts=block[:-1],
        ends=block[1:],
        padding=(padding[1:] - padding[:-1]).sum(axis=1, dtype=np.int32),
    )
