"""Huffman codes: round trips, the entropy bound, and codes that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from compiler.errors import ModelError
from compiler.sparse.huffman import Huffman


@given(st.lists(st.integers(0, 40), max_size=300))
def test_a_message_comes_back(symbols):
    message = np.array(symbols, np.int64)
    code = Huffman.of_counts(np.bincount(message, minlength=41))
    np.testing.assert_array_equal(code.decode(code.encode(message), len(message)), message)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=64))
def test_the_mean_length_is_within_a_bit_of_the_entropy(counts):
    frequencies = np.array(counts)
    code = Huffman.of_counts(frequencies)
    if np.count_nonzero(frequencies) < 2:
        return
    mean = code.bits(frequencies) / frequencies.sum()
    entropy = stats.entropy(frequencies, base=2)
    assert entropy - 1e-9 <= mean < entropy + 1
    assert np.exp2(-code.lengths[code.lengths > 0].astype(float)).sum() == 1


def test_counts_of_powers_of_two_meet_the_entropy():
    counts = np.array([1, 1, 2, 4, 8])
    assert Huffman.of_counts(counts).bits(counts) / counts.sum() == pytest.approx(stats.entropy(counts, base=2))


def test_codes_are_canonical():
    code = Huffman.of_counts(np.array([5, 1, 1, 0, 2]))
    assert code.lengths.tolist() == [1, 3, 3, 0, 2]
    assert [f"{c:0{n}b}" for n, c in zip(code.lengths, code.codes, strict=True) if n] == ["0", "110", "111", "10"]
    assert code.encode(np.array([0, 4, 1, 0])).tolist() == [0b01011000]


def test_a_lone_symbol_takes_a_bit_and_none_takes_nothing():
    assert Huffman.of_counts(np.array([0, 7])).bits(np.array([0, 7])) == 7
    assert len(Huffman.of_counts(np.zeros(4, int)).encode(np.zeros(0, int))) == 0


def test_what_is_no_message_is_refused():
    code = Huffman.of_counts(np.array([3, 1, 0]))
    with pytest.raises(ModelError, match="symbol 2 has no code"):
        code.encode(np.array([2]))
    with pytest.raises(ModelError, match="ends, or is damaged, behind 8 of 9 symbols"):
        code.decode(np.zeros(1, np.uint8), 9)
    with pytest.raises(ModelError, match="is damaged, behind 0 of 1"):
        Huffman.of_counts(np.array([3])).decode(np.array([255], np.uint8), 1)
