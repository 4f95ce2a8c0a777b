"""Relative-index columns: what goes in comes out, and every entry is where the paper puts it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import ModelError
from compiler.sparse.csc import Compressed, counts, decode, encode
from rtl.config import SparseConfig


@st.composite
def matrices(draw: st.DrawFn) -> tuple[np.ndarray, SparseConfig]:
    """Any shape, density and width; corners more often than chance has them."""
    sparse = SparseConfig(
        pes=draw(st.sampled_from([1, 2, 4, 16, 64])),
        lanes=1,
        code_bits=draw(st.integers(2, 8)),
        index_bits=draw(st.integers(2, 8)),
    )
    rows, columns = draw(st.sampled_from([1, 2, 63, 64, 65, 700])), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]))
    codes = rng.integers(1, 1 << sparse.code_bits, (rows, columns), dtype=np.int64)
    return np.where(rng.random((rows, columns)) < density, codes, 0), sparse


def by_hand(column: np.ndarray, longest: int) -> list[tuple[int, int]]:
    """(run, code) of one PE's rows of a column, one row at a time."""
    entries, run = [], 0
    for i, code in enumerate(column):
        if code or (run == longest and column[i:].any()):
            entries.append((run, int(code)))
            run = 0
        else:
            run += 1
    return entries


@given(matrices())
def test_a_matrix_comes_back(case: tuple[np.ndarray, SparseConfig]) -> None:
    codes, sparse = case
    np.testing.assert_array_equal(decode(encode(codes, sparse)), codes)


@settings(max_examples=40)
@given(matrices())
def test_entries_are_those_of_the_definition(case: tuple[np.ndarray, SparseConfig]) -> None:
    codes, sparse = case
    matrix = encode(codes, sparse)
    for pe in range(sparse.pes):
        for column in range(codes.shape[1]):
            part = slice(*matrix.starts[pe, column : column + 2])
            entries = list(zip(matrix.runs[part].tolist(), matrix.codes[part].tolist(), strict=True))
            assert entries == by_hand(codes[pe :: sparse.pes, column], sparse.longest_run)


class TestExamples:
    ONE = SparseConfig(pes=1, lanes=1, index_bits=2)

    def test_a_run_of_the_longest_length_takes_no_padding(self) -> None:
        matrix = encode(np.array([[0], [0], [0], [5]]), self.ONE)
        assert (matrix.runs.tolist(), matrix.codes.tolist()) == ([3], [5])

    def test_one_zero_more_takes_a_padding_entry(self) -> None:
        matrix = encode(np.array([[0], [0], [0], [0], [5], [0]]), self.ONE)
        assert (matrix.runs.tolist(), matrix.codes.tolist()) == ([3, 0], [0, 5])
        assert matrix.padding == 1

    def test_runs_start_afresh_with_each_column(self) -> None:
        matrix = encode(np.array([[1, 0], [0, 0], [0, 2]]), self.ONE)
        assert matrix.runs.tolist() == [0, 2]

    def test_runs_count_rows_of_the_element_only(self) -> None:
        matrix = encode(np.array([[0], [0], [0], [9]]), SparseConfig(pes=2, lanes=1))
        assert matrix.runs.tolist() == [1]
        assert matrix.starts.tolist() == [[0, 0], [0, 1]]

    def test_the_example_of_the_paper(self) -> None:
        """Section III.B: [0,0,1,2, 0 x 18, 3] is v = [1, 2, 0, 3], z = [2, 0, 15, 2]."""
        column = np.array([0, 0, 1, 2, *[0] * 18, 3])[:, None]
        matrix = encode(column, SparseConfig(pes=1, lanes=1))
        assert (matrix.codes.tolist(), matrix.runs.tolist()) == ([1, 2, 0, 3], [2, 0, 15, 2])

    def test_counts_are_those_of_the_codes(self) -> None:
        codes = np.random.default_rng(3).integers(0, 16, (90, 7)) * (np.random.default_rng(4).random((90, 7)) < 0.1)
        sparse = SparseConfig(pes=4, lanes=1, index_bits=2)
        np.testing.assert_array_equal(counts(codes != 0, sparse), encode(codes, sparse).entries)


class TestRefusals:
    @pytest.mark.parametrize(("code", "bits"), [(16, 4), (-1, 4), (256, 8)])
    def test_codes_out_of_range(self, code: int, bits: int) -> None:
        sparse = SparseConfig(pes=4, lanes=1, code_bits=bits)
        message = rf"^code {code} is not one of 0\.\.{2**bits - 1}, which sparse\.code_bits={bits} holds$"
        with pytest.raises(ModelError, match=message):
            encode(np.array([[1, code]]), sparse)

    def test_nothing(self) -> None:
        with pytest.raises(ModelError, match=re.escape("a matrix of 0 x 4 has nothing to compress")):
            encode(np.zeros((0, 4), np.uint8), SparseConfig())

    def test_an_entry_behind_the_last_row(self) -> None:
        made = Compressed(3, 1, np.array([1], np.uint8), np.array([3], np.uint8), np.array([[0, 1]]))
        with pytest.raises(ModelError, match=r"^an entry of column 0 stands for row 3 of 3$"):
            decode(made)
