"""Compressed matrices as they could lie in DRAM, Huffman-coded: how large it is, and what decoding costs.

Codes and runs have a table each (Deep Compression, Han et al. 2016, section 4): the length of each symbol's canonical
code, a byte each. The accelerator loads entries as they are; a decoder between DRAM and its memories is a model, with
its throughput as a parameter (``bus.decoder_entries_per_cycle``).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.sparse.huffman import Huffman

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from compiler.sparse.csc import Compressed
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["Decoder", "StoredSize", "plain_load_cycles", "stored_size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSize:
    """Bits of a layer's matrices in DRAM."""

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


def stored_size(matrices: Sequence[Compressed], sparse: SparseConfig) -> StoredSize:
    """A layer's ``matrices``, Huffman-coded with the same two tables: entries, codebook of 16-bit weights, pointers."""
    symbols = (1 << sparse.code_bits) + (1 << sparse.index_bits)
    codebook = 16 << sparse.code_bits if sparse.weights == "codebook" else 0
    return StoredSize(
        codes=_bits([m.codes for m in matrices]),
        runs=_bits([m.runs for m in matrices]),
        tables=8 * symbols + codebook,
        pointers=16 * sum(m.starts.size for m in matrices),
        entries=sum(len(m.codes) for m in matrices),
    )


def _bits(symbols: Sequence[NDArray[np.uint8]]) -> int:
    counts = np.sum([np.bincount(part, minlength=256) for part in symbols], axis=0)
    return Huffman.of_counts(counts).bits(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """A Huffman decoder in the load engine's way."""

    entries_per_cycle: Fraction = Fraction(1)
    """Pairs of code and run."""

    def __post_init__(self) -> None:
        if self.entries_per_cycle <= 0:
            raise ModelError(f"a Huffman decoder of {self.entries_per_cycle} entries per cycle never ends")

    @classmethod
    def of(cls, config: ArchConfig) -> Decoder | None:
        """The one that ``bus.decoder_entries_per_cycle`` describes, if any."""
        rate = config.bus.decoder_entries_per_cycle
        return None if rate is None else cls(entries_per_cycle=Fraction(rate))

    def load_cycles(self, stored: StoredSize, config: ArchConfig) -> int:
        """Cycles in which ``stored`` comes from DRAM: the latency, and then the slower of bus and decoder."""
        decoding = -(-stored.entries * self.entries_per_cycle.denominator // self.entries_per_cycle.numerator)
        return max(plain_load_cycles(stored.bytes, config), config.dram.latency_cycles + decoding)


def plain_load_cycles(size: int, config: ArchConfig) -> int:
    """Cycles in which ``size`` bytes come from DRAM with nothing to decode: the latency, and then the bus."""
    return config.dram.latency_cycles + -(-size // config.bus.data_bytes) * config.dram.beat_interval
