"""Huffman codes come back, and are as short as Shannon and Huffman say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from bitarray import bitarray
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import ModelError
from compiler.sparse.csc import encode
from compiler.sparse.huffman import Decoder, HuffmanCode, StoredSize, entropy_bits, stored_size
from rtl.config import ArchConfig, BusConfig, DramConfig, SparseConfig

SYMBOLS = st.lists(st.integers(0, 255), max_size=300).map(lambda s: np.array(s, np.uint8))


@given(SYMBOLS)
def test_symbols_come_back(symbols: np.ndarray) -> None:
    code = HuffmanCode(symbols)
    bits = code.encode(symbols)
    assert len(bits) == code.size_bits
    np.testing.assert_array_equal(code.decode(bits), symbols)


@given(SYMBOLS)
def test_size_is_within_a_bit_a_symbol_of_the_entropy(symbols: np.ndarray) -> None:
    bound, size = entropy_bits(symbols), HuffmanCode(symbols).size_bits
    assert bound - 1e-6 <= size <= bound + len(symbols)


@given(SYMBOLS)
def test_lengths_are_those_of_a_complete_prefix_code(symbols: np.ndarray) -> None:
    """Kraft's sum is 1, so no shorter length could be given to any symbol; a lone symbol takes a bit all the same."""
    lengths = HuffmanCode(symbols).lengths
    kraft = sum(Fraction(1, 1 << int(n)) for n in lengths if n)
    assert kraft == {0: 0, 1: Fraction(1, 2)}.get(np.count_nonzero(lengths), 1)


def test_powers_of_two_reach_the_entropy() -> None:
    symbols = np.repeat(np.arange(4, dtype=np.uint8), [8, 4, 2, 2])
    code = HuffmanCode(symbols)
    assert code.lengths.tolist() == [1, 2, 3, 3]
    assert code.size_bits == entropy_bits(symbols) == 28


def test_a_symbol_that_was_not_counted_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^symbol 7 has no Huffman code: it was not among those counted$"):
        HuffmanCode(np.array([1, 2], np.uint8)).encode(np.array([1, 7], np.uint8))


def test_nothing_is_no_bits() -> None:
    assert HuffmanCode(np.zeros(0, np.uint8)).encode(np.zeros(0, np.uint8)) == bitarray()


class TestStored:
    SPARSE = SparseConfig(pes=4, lanes=1)
    CONFIG = ArchConfig(
        dense=None, sparse=SPARSE, bus=BusConfig(data_bytes=16), dram=DramConfig(latency_cycles=40, beat_interval=2)
    )

    def test_size_of_a_matrix_is_that_of_its_parts(self) -> None:
        rng = np.random.default_rng(0)
        matrix = encode(np.where(rng.random((64, 50)) < 0.1, rng.integers(1, 16, (64, 50)), 0), self.SPARSE)
        stored = stored_size(matrix, self.SPARSE)
        codes, runs = HuffmanCode(matrix.codes), HuffmanCode(matrix.runs)
        assert stored.codes == len(codes.encode(matrix.codes))
        assert stored.runs == len(runs.encode(matrix.runs))
        assert stored.pointers == 16 * 4 * 51
        # 16 + 16 lengths of a byte, 16 shared weights of two
        assert stored.tables == 8 * 32 + 16 * 16
        assert stored.bytes == -(-(stored.codes + stored.runs + stored.pointers + stored.tables) // 8)

    def test_skewed_codes_take_less_than_their_width(self) -> None:
        """Weights near zero are the most frequent after sharing: Deep Compression's reason to code them."""
        rng = np.random.default_rng(1)
        codes = np.clip(np.abs(rng.normal(0, 3, (640, 300))).astype(int) + 1, 1, 15)
        matrix = encode(np.where(rng.random(codes.shape) < 0.1, codes, 0), self.SPARSE)
        stored = stored_size(matrix, self.SPARSE)
        assert stored.codes + stored.runs < 0.9 * self.SPARSE.entry_bits * stored.entries

    @pytest.mark.parametrize(
        ("rate", "cycles"),
        [(Fraction(4), 40 + 2 * 63), (Fraction(1), 40 + 900), (Fraction(1, 3), 40 + 2700), (Fraction(7), 40 + 129)],
    )
    def test_bus_or_decoder_sets_the_pace(self, rate: Fraction, cycles: int) -> None:
        """1000 bytes are 63 beats of two cycles; 900 entries are decoded at the rate."""
        stored = StoredSize(codes=4000, runs=3000, tables=500, pointers=500, entries=900)
        expected = max(cycles, 40 + 126, 40 + -(-900 // rate))
        assert Decoder(entries_per_cycle=rate).load_cycles(stored, self.CONFIG) == expected

    def test_a_decoder_that_stands_still_is_refused(self) -> None:
        with pytest.raises(ModelError, match=r"^a Huffman decoder of 0 entries per cycle never ends$"):
            Decoder(entries_per_cycle=Fraction(0))
