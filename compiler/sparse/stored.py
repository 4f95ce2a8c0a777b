"""A compressed matrix as it could lie in DRAM, Huffman-coded: how large it is, and what decoding costs.

Codes and runs have a table each (Deep Compression, Han et al. 2016, section 4): the length of each symbol's canonical
code, a byte each. The accelerator loads entries as they are; a decoder between DRAM and its memories is a model, with
its throughput as a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.sparse.huffman import Huffman

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.sparse.csc import Compressed
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["Decoder", "StoredSize", "stored_size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSize:
    """Bits of a matrix in DRAM."""

    codes: int
    runs: int
    tables: int
    """Lengths of the codes of both, and the codebook."""
    pointers: int
    entries: int
    """How many, padding included."""

    @property
    def bytes(self) -> int:
        """All of it."""
        return -(-(self.codes + self.runs + self.tables + self.pointers) // 8)


def stored_size(matrix: Compressed, sparse: SparseConfig) -> StoredSize:
    """``matrix`` Huffman-coded: its entries, tables, codebook of 16-bit weights, and 16-bit pointers."""
    symbols = (1 << sparse.code_bits) + (1 << sparse.index_bits)
    codebook = 16 << sparse.code_bits if sparse.weights == "codebook" else 0
    return StoredSize(
        codes=_bits(matrix.codes),
        runs=_bits(matrix.runs),
        tables=8 * symbols + codebook,
        pointers=16 * matrix.starts.size,
        entries=len(matrix.codes),
    )


def _bits(symbols: NDArray[np.uint8]) -> int:
    counts = np.bincount(symbols, minlength=1)
    return Huffman.of_counts(counts).bits(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """A Huffman decoder in the DMA's way."""

    entries_per_cycle: Fraction = Fraction(1)
    """Pairs of code and run."""

    def __post_init__(self) -> None:
        if self.entries_per_cycle <= 0:
            raise ModelError(f"a Huffman decoder of {self.entries_per_cycle} entries per cycle never ends")

    def load_cycles(self, stored: StoredSize, config: ArchConfig) -> int:
        """Cycles in which ``stored`` comes from DRAM: the latency, and then the slower of bus and decoder."""
        beats = -(-stored.bytes // config.bus.data_bytes)
        decoding = -(-stored.entries * self.entries_per_cycle.denominator // self.entries_per_cycle.numerator)
        return config.dram.latency_cycles + max(beats * config.dram.beat_interval, decoding)
