"""Random compressed matrices, by an encoder that is plain enough to be believed, and their image in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.config import ArchConfig
from rtl.sparse.layout import SparseLayout


@dataclass(frozen=True)
class Matrix:
    """A matrix of codes, 0 for zero, and its entries in every PE."""

    codes: NDArray[np.uint8]
    """``[rows, columns]``."""
    entries: list[list[tuple[int, int]]]
    """Code and zero run, by PE."""
    pointers: NDArray[np.uint16]
    """``[columns + 1, pes]``."""


def encode(codes: NDArray[np.uint8], pes: int, longest_run: int) -> Matrix:
    """Row q lies in PE ``q % pes``; runs count zeros among the rows of the PE, from the top of each column."""
    entries: list[list[tuple[int, int]]] = [[] for _ in range(pes)]
    pointers = np.zeros((codes.shape[1] + 1, pes), np.uint16)
    for k, column in enumerate(codes.T):
        for p in range(pes):
            run = 0
            for code in column[p::pes]:
                if code:
                    entries[p].append((int(code), run))
                elif run == longest_run:
                    entries[p].append((0, run))
                run = 0 if code or run == longest_run else run + 1
            # What is left of the column needs no entries.
            begun = pointers[k, p]
            while len(entries[p]) > begun and entries[p][-1][0] == 0:
                entries[p].pop()
            pointers[k + 1, p] = len(entries[p])
    return Matrix(codes, entries, pointers)


def memory_codes(config: ArchConfig, matrix: Matrix, row: int) -> NDArray[np.uint8]:
    """``[pes, entries]``: codes of the whole sparse-matrix memory, with the matrix from ``row`` on."""
    sparse = config.sparse
    codes = np.zeros((sparse.pes, SparseLayout(config).rows * sparse.row_entries), np.uint8)
    for p, entries in enumerate(matrix.entries):
        at = row * sparse.row_entries
        codes[p, at : at + len(entries)] = [code for code, _ in entries]
    return codes


def spmat_image(config: ArchConfig, matrix: Matrix) -> bytes:
    """Rows of all PEs, side by side."""
    sparse, layout = config.sparse, SparseLayout(config)
    count = max(-(-len(entries) // sparse.row_entries) for entries in matrix.entries)
    image = bytearray(count * layout.row_stride)
    for p, entries in enumerate(matrix.entries):
        for r in range(count):
            word = 0
            for s, (code, run) in enumerate(entries[r * sparse.row_entries : (r + 1) * sparse.row_entries]):
                word |= (code | run << sparse.code_bits) << (s * sparse.entry_bits)
            at = r * layout.row_stride + p * sparse.row_bytes
            image[at : at + sparse.row_bytes] = word.to_bytes(sparse.row_bytes, "little")
    return bytes(image)


def pointer_image(config: ArchConfig, matrix: Matrix) -> bytes:
    layout = SparseLayout(config)
    rows = (row.astype("<u2").tobytes().ljust(layout.pointer_stride, b"\0") for row in matrix.pointers)
    return b"".join(rows)


def codebook_image(config: ArchConfig, values: NDArray[np.int16]) -> bytes:
    stride = SparseLayout(config).codebook_stride
    return b"".join(value.astype("<i2").tobytes().ljust(stride, b"\0") for value in values)


def random_codes(rng: np.random.Generator, config: ArchConfig, rows: int, columns: int) -> NDArray[np.uint8]:
    """Of a random density, with empty columns, empty rows and long runs."""
    density = rng.choice([0.0, 0.02, 0.1, 0.3, 0.7, 1.0], p=[0.05, 0.1, 0.2, 0.25, 0.2, 0.2])
    codes = rng.integers(1, 1 << config.sparse.code_bits, (rows, columns))
    kept = rng.random((rows, columns)) < density
    kept[:, rng.random(columns) < rng.choice([0.0, 0.0, 0.5])] = False
    kept[rng.random(rows) < rng.choice([0.0, 0.0, 0.8])] = False
    return (codes * kept).astype(np.uint8)


def weights(config: ArchConfig, codes: NDArray[np.uint8], book: NDArray[np.int16]) -> NDArray[np.int64]:
    """What the codes stand for; ``book`` is that of their table."""
    if config.sparse.weights == "int8":
        return codes.view(np.int8).astype(np.int64)
    return np.where(codes == 0, 0, book[codes]).astype(np.int64)
