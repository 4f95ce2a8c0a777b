"""What it takes to load a plan's weights, as the RTL does it, and Huffman-coded through a decoder that it has not.

A bound on the loading alone, beside the cycles of the layer and not among them: these are the RTL's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.mapping.sparse.plan import Loading, steps
from compiler.mapping.tiling import patches
from compiler.sparse.stored import Decoder, plain_load_cycles, stored_size
from rtl.sparse.layout import SparseLayout

if TYPE_CHECKING:
    from compiler.mapping.sparse.plan import SparsePlan
    from rtl.config import ArchConfig

__all__ = ["CodedWeights", "coded_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedWeights:
    """A layer's entries, pointers and codebook on their way from DRAM."""

    loads: int
    """How often they are loaded: more than once where they do not stay on the chip."""
    bytes: int
    """Of one load, as they lie in DRAM for the RTL."""
    coded_bytes: int
    """Of one load, Huffman-coded, with its tables."""
    cycles: int
    """Of one load, with nothing else on the bus: the latency, and then every beat."""
    coded_cycles: int
    """Of one load, coded: the latency, and then the slower of bus and decoder."""


def coded_weights(plan: SparsePlan, config: ArchConfig) -> CodedWeights | None:
    """The weights of ``plan``; None if ``config`` has no decoder (``bus.decoder_entries_per_cycle``)."""
    decoder = Decoder.of(config)
    if decoder is None:
        return None
    sparse, layout, cut = config.sparse, SparseLayout(config), plan.cut
    parts = [part for block in cut.blocks for part in block.columns]
    rows, pointers = sum(part.rows(sparse) for part in parts), sum(part.columns + 1 for part in parts)
    book = layout.codebook_bytes // sparse.tables if plan.job.codes.values is not None else 0
    size = rows * layout.row_stride + pointers * layout.pointer_stride + book
    stored = stored_size([block.columns[0].matrix for block in cut.blocks], sparse)
    turns = sum(1 for tile in patches(plan.job, cut.tile) for _ in steps(tile, cut.step))
    return CodedWeights(
        loads=turns if cut.loading is Loading.PER_STEP else 1,
        bytes=size,
        coded_bytes=stored.bytes,
        cycles=plain_load_cycles(size, config),
        coded_cycles=decoder.load_cycles(stored, config),
    )
