"""Column blocks fit the memories that they are cut for, and their images hold what the layout says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import ModelError
from compiler.sparse.blocks import ColumnBlock, Room, cut, room_of
from compiler.sparse.csc import encode
from compiler.sparse.image import (
    codebook_image,
    pointer_image,
    read_codebook,
    read_pointers,
    read_spmat,
    spmat_image,
)
from rtl.config import ArchConfig, BusConfig, SparseConfig
from rtl.sparse.layout import SparseLayout


def arch(data_bytes: int = 16, **sparse: int) -> ArchConfig:
    return ArchConfig(dense=None, sparse=SparseConfig(lanes=1, **sparse), bus=BusConfig(data_bytes=data_bytes))


def random_codes(rows: int, columns: int, bits: int, density: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((rows, columns)) < density, rng.integers(1, 1 << bits, (rows, columns)), 0)


@settings(max_examples=60)
@given(
    st.sampled_from([1, 2, 16]), st.integers(2, 8), st.integers(2, 8), st.sampled_from([2, 8, 32]),
    st.sampled_from([4, 32]), st.sampled_from([0.0, 0.1, 0.9]), st.integers(1, 40),
)  # fmt: skip
def test_an_image_holds_its_block(
    pes: int, code: int, index: int, row_bytes: int, bus: int, density: float, fit: int
) -> None:
    config = arch(bus, pes=pes, code_bits=code, index_bits=index, row_bytes=row_bytes, pointers=16)
    matrix = encode(random_codes(70, 30, code, density), config.sparse)
    room = Room(rows=70 + fit, pointers=16)
    for block in cut(matrix, config.sparse, room):
        pointers = read_pointers(pointer_image(block, config), config)
        np.testing.assert_array_equal(pointers, block.pointers)
        codes, runs = read_spmat(spmat_image(block, config), config)
        for pe in range(pes):
            part = slice(matrix.starts[pe, block.start], matrix.starts[pe, block.stop])
            np.testing.assert_array_equal(codes[pe, : pointers[-1, pe]], matrix.codes[part])
            np.testing.assert_array_equal(runs[pe, : pointers[-1, pe]], matrix.runs[part])


@pytest.mark.parametrize(
    "room", [Room(rows=40, pointers=64), Room(rows=1000, pointers=7), Room(rows=8, pointers=2)], ids=str
)
def test_blocks_are_in_order_fit_and_are_as_wide_as_they_can_be(room: Room) -> None:
    sparse = SparseConfig(pes=4, lanes=1)
    matrix = encode(random_codes(200, 150, 4, 0.3), sparse)
    blocks = cut(matrix, sparse, room)
    assert [blocks[0].start, blocks[-1].stop] == [0, 150]
    assert all(a.stop == b.start for a, b in pairwise(blocks))
    assert all(block.rows(sparse) <= room.rows and block.columns + 1 <= room.pointers for block in blocks)
    for block in blocks[:-1]:
        wider = ColumnBlock(matrix, block.start, block.stop + 1)
        assert wider.rows(sparse) > room.rows or wider.columns + 1 > room.pointers


def test_pointers_never_pass_their_16_bits() -> None:
    sparse = SparseConfig(pes=1, lanes=1, spmat_kib=1024, pointers=65536)
    matrix = encode(np.ones((1000, 140), np.uint8), sparse)
    assert [block.entries for block in cut(matrix, sparse, room_of(sparse))] == [65000, 65000, 10000]


def test_bytes_lie_where_the_layout_says() -> None:
    """Two PEs and a bus as wide as four rows: a beat a row, with the PEs at its low end."""
    config = arch(16, pes=2, row_bytes=2)
    codes = np.array([[1], [2], [3], [0], [4], [5]])
    (block,) = cut(encode(codes, config.sparse), config.sparse, room_of(config.sparse))
    first = [0x01, 0x03, 0x02, 0x15]
    assert spmat_image(block, config).tolist() == [*first, *[0] * 12, 0x04, *[0] * 15]
    assert pointer_image(block, config).tolist() == [0] * 16 + [3, 0, 2, 0] + [0] * 12
    table = codebook_image(np.array([0, -2]), config)
    assert table[:32].tolist() == [0] * 16 + [0xFE, 0xFF] + [0] * 14
    assert len(table) * config.sparse.tables == SparseLayout(config).codebook_bytes
    assert read_codebook(table, config).tolist() == [[0, -2, *[0] * 14]]


class TestRefusals:
    def test_a_column_that_does_not_fit(self) -> None:
        sparse = SparseConfig(pes=1, lanes=1)
        codes = np.stack([np.arange(20) < most for most in (16, 9, 17)], axis=1)
        message = r"^column 2 has 17 entries in one PE, where 16 fit \(raise sparse.spmat_kib or sparse.pes\)$"
        with pytest.raises(ModelError, match=message):
            cut(encode(codes, sparse), sparse, Room(rows=2, pointers=16))

    def test_too_few_pointers_for_a_column(self) -> None:
        sparse = SparseConfig(pes=1, lanes=1)
        with pytest.raises(ModelError, match=r"^a column needs 2 pointers in each PE and 1 are to be had"):
            cut(encode(np.eye(3), sparse), sparse, Room(rows=2, pointers=1))

    def test_a_codebook_too_small(self) -> None:
        message = r"^a codebook of 17 values needs more than sparse.code_bits=4 \(16 codes\)$"
        with pytest.raises(ModelError, match=message):
            codebook_image(np.arange(17), arch(pes=1))

    @pytest.mark.parametrize("value", [-(1 << 15) - 1, 1 << 15])
    def test_a_weight_beyond_16_bits(self, value: int) -> None:
        with pytest.raises(ModelError, match=f"^shared weight {value} is beyond the 16 bits"):
            codebook_image(np.array([0, value]), arch(pes=1))
