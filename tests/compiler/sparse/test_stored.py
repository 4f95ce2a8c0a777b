"""What a Huffman-coded matrix takes in DRAM, and how long a decoder of given throughput takes over it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from compiler.errors import ModelError
from compiler.sparse.csc import encode
from compiler.sparse.huffman import Huffman
from compiler.sparse.stored import Decoder, StoredSize, stored_size
from rtl.config import ArchConfig, BusConfig, DramConfig, SparseConfig

SPARSE = SparseConfig(pes=4, lanes=1)
CONFIG = ArchConfig(
    dense=None, sparse=SPARSE, bus=BusConfig(data_bytes=16), dram=DramConfig(latency_cycles=40, beat_interval=2)
)


def test_size_of_a_matrix_is_that_of_its_parts() -> None:
    rng = np.random.default_rng(0)
    matrix = encode(np.where(rng.random((64, 50)) < 0.1, rng.integers(1, 16, (64, 50)), 0), SPARSE)
    stored = stored_size([matrix], SPARSE)
    for symbols, bits in ((matrix.codes, stored.codes), (matrix.runs, stored.runs)):
        message = Huffman.of_counts(np.bincount(symbols)).encode(symbols)
        assert len(message) == -(-bits // 8)
        entropy = stats.entropy(np.bincount(symbols), base=2) * len(symbols)
        assert entropy <= bits < entropy + len(symbols)
    assert stored.pointers == 16 * 4 * 51
    # 16 + 16 lengths of a byte, 16 shared weights of two
    assert stored.tables == 8 * 32 + 16 * 16
    assert stored.bytes == -(-(stored.codes + stored.runs + stored.pointers + stored.tables) // 8)


def test_skewed_codes_take_less_than_their_width() -> None:
    """Weights near zero are the most frequent after sharing: Deep Compression's reason to code them."""
    rng = np.random.default_rng(1)
    codes = np.clip(np.abs(rng.normal(0, 3, (640, 300))).astype(int) + 1, 1, 15)
    matrix = encode(np.where(rng.random(codes.shape) < 0.1, codes, 0), SPARSE)
    stored = stored_size([matrix], SPARSE)
    assert stored.codes + stored.runs < 0.9 * SPARSE.entry_bits * stored.entries


def test_blocks_of_channels_share_their_tables() -> None:
    rng = np.random.default_rng(2)
    parts = [encode(rng.integers(0, 16, (16, 9)) * (rng.random((16, 9)) < 0.4), SPARSE) for _ in range(2)]
    both, alone = stored_size(parts, SPARSE), [stored_size([part], SPARSE) for part in parts]
    assert both.tables == alone[0].tables
    assert both.entries == sum(one.entries for one in alone)
    assert both.pointers == sum(one.pointers for one in alone)
    assert both.codes >= sum(one.codes for one in alone)


def test_no_entries_take_no_bits() -> None:
    stored = stored_size([encode(np.zeros((8, 3), np.uint8), SPARSE)], SPARSE)
    assert (stored.codes, stored.runs, stored.entries) == (0, 0, 0)


@pytest.mark.parametrize(
    ("rate", "cycles"),
    [(Fraction(100), 40 + 2 * 63), (Fraction(1), 40 + 900), (Fraction(1, 3), 40 + 2700), (Fraction(7), 40 + 129)],
)
def test_bus_or_decoder_sets_the_pace(rate: Fraction, cycles: int) -> None:
    """1000 bytes are 63 beats of two cycles; 900 entries are decoded at the rate."""
    stored = StoredSize(codes=4000, runs=3000, tables=500, pointers=500, entries=900)
    assert Decoder(entries_per_cycle=rate).load_cycles(stored, CONFIG) == cycles


def test_a_decoder_that_stands_still_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^a Huffman decoder of 0 entries per cycle never ends$"):
        Decoder(entries_per_cycle=Fraction(0))
