"""What a SPARSE has to do, from what lies in the memories."""

import numpy as np
import pytest

from rtl.config import ArchConfig, BusConfig, SparseConfig
from rtl.isa import Sparse
from rtl.sparse.timing import SparseTiming
from rtl.sparse.work import SparseWork, chunks_of, sparse_work

TWO = ArchConfig(dense=None, sparse=SparseConfig(pes=2, lanes=1, row_bytes=2), bus=BusConfig(data_bytes=8))


def vectors(**fields: int) -> Sparse:
    """Of one element, unless told otherwise."""
    nothing = dict.fromkeys(("x_stride", "y_stride", "kx_stride", "ky_stride", "zero_point", "column", "entry"), 0)
    ones = dict.fromkeys(("out_w", "out_h", "run", "kx", "ky"), 1)
    return Sparse(**(nothing | ones | {"source": 0, "act": 0, "acc": 0, "acc_stride": 1} | fields))


def test_a_window_is_walked_by_rows_of_taps_and_runs_by_chunks() -> None:
    image = np.arange(1, 201, dtype=np.uint8).view(np.int8)
    pointers = np.zeros((60, 2), np.uint16)
    i = vectors(act=3, out_w=2, x_stride=1, kx=2, kx_stride=40, ky=2, ky_stride=80, run=10, zero_point=5)
    work = sparse_work(TWO, i, image, pointers, np.zeros((2, 8), np.uint8))
    # Runs of ten bytes are a chunk of eight and one of two. A five is at byte 4 only.
    assert TWO.banks == 8
    assert work.chunks.tolist() == [7, 2, 8, 2, 8, 2, 8, 2] * 2
    assert work.columns[:9].tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert work.columns[39:48].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_columns_and_their_padding_are_those_of_the_block() -> None:
    # Entries of two PEs; the block begins in row 1 of two entries of 8 bits each, its matrix at pointer 1.
    codes = np.array([[9, 9, 0, 1, 0, 2], [9, 9, 3, 0, 0, 4]], np.uint8)
    pointers = np.array([[7, 7], [0, 0], [2, 1], [2, 4]], np.uint16)
    work = sparse_work(TWO, vectors(run=2, column=1, entry=1), np.ones(4, np.int8), pointers, codes)
    assert work.starts.tolist() == [[0, 0], [2, 1]]
    assert work.ends.tolist() == [[2, 1], [2, 4]]
    assert work.padding.tolist() == [1, 2]


def test_every_run_has_a_tail_of_its_own() -> None:
    assert chunks_of(vectors(out_w=3, out_h=2, kx=2, ky=5, run=130), 64) == 3 * 2 * 2 * 5 * 3


def test_work_that_does_not_add_up_is_refused() -> None:
    matrix = np.zeros((4, 2), np.int32)
    with pytest.raises(ValueError, match=r"^2 columns for 3 activations other than zero$"):
        SparseWork(
            chunks=np.array([3], np.int32), columns=np.zeros(2, np.int32), starts=matrix, ends=matrix,
            padding=np.zeros(4, np.int32),
        )  # fmt: skip


def test_an_instruction_runs_its_own_work_only() -> None:
    matrix = np.zeros((4, 2), np.int32)
    work = SparseWork(
        chunks=np.zeros(1, np.int32), columns=np.zeros(0, np.int32), starts=matrix, ends=matrix,
        padding=np.zeros(4, np.int32),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"^SPARSE of layer 3 has columns, PEs and chunks \(5, 2, 1\), its work"):
        SparseTiming(TWO, [work]).issue(200, vectors(run=5, layer=3))
    with pytest.raises(ValueError, match=r"^no work for the SPARSE of layer 3"):
        SparseTiming(TWO, []).issue(200, vectors(layer=3))
