"""Huffman-coded entries: how a compressed matrix can lie in DRAM, how large it is, and what decoding costs.

Codes and runs have a table each (Deep Compression, Han et al. 2016, section 4). The codes are canonical: a table is the
length of each symbol's code, a byte each. The accelerator loads entries as they are; a decoder between DRAM and
memories is a model, with its throughput as a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from bitarray import bitarray
from bitarray.util import canonical_decode, canonical_huffman

from compiler.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.sparse.csc import Compressed
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["Decoder", "HuffmanCode", "StoredSize", "entropy_bits", "stored_size"]


class HuffmanCode:
    """A canonical Huffman code for symbols 0..255 as often as they occur in ``symbols``."""

    def __init__(self, symbols: NDArray[np.uint8]) -> None:
        self.frequencies = np.bincount(symbols, minlength=1)
        present: dict[Any, int | float] = {int(s): int(self.frequencies[s]) for s in np.flatnonzero(self.frequencies)}
        self._codes: dict[int, bitarray] = {}
        self._count: list[int] = [0]
        self._symbols: list[int] = []
        if present:
            codes, self._count, self._symbols = canonical_huffman(present)
            self._codes = {symbol: bitarray(code) for symbol, code in codes.items()}

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``[symbols]``: bits of each symbol's code, 0 where it does not occur."""
        lengths = np.zeros(len(self.frequencies), np.int64)
        for symbol, code in self._codes.items():
            lengths[symbol] = len(code)
        return lengths

    @property
    def size_bits(self) -> int:
        """Of all symbols that it was made for."""
        return int(self.frequencies @ self.lengths)

    def encode(self, symbols: NDArray[np.uint8]) -> bitarray:
        """The codes of ``symbols``, one behind the other.

        Raises:
            ModelError: a symbol that the code was not made for.

        """
        bits = bitarray()
        if not len(symbols):
            return bits
        try:
            bits.encode(self._codes, symbols.tolist())
        except ValueError:
            missing = next(s for s in symbols.tolist() if s not in self._codes)
            raise ModelError(f"symbol {missing} has no Huffman code: it was not among those counted") from None
        return bits

    def decode(self, bits: bitarray) -> NDArray[np.uint8]:
        """The symbols again."""
        if not bits:
            return np.zeros(0, np.uint8)
        return np.fromiter(canonical_decode(bits, self._count, self._symbols), np.uint8)


def entropy_bits(symbols: NDArray[np.uint8]) -> float:
    """Shannon's bound: bits that independent symbols with these frequencies need in all."""
    counts = np.bincount(symbols)
    counts = counts[counts > 0]
    return float((counts * -np.log2(counts / counts.sum())).sum()) if len(counts) else 0.0


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
        codes=HuffmanCode(matrix.codes).size_bits,
        runs=HuffmanCode(matrix.runs).size_bits,
        tables=8 * symbols + codebook,
        pointers=16 * matrix.starts.size,
        entries=len(matrix.codes),
    )


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
