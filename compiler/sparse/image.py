"""Blocks and codebooks as the bytes that LOAD brings to SPMAT, POINTER and CODEBOOK; see :mod:`rtl.sparse.layout`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from rtl.sparse.layout import CODEBOOK_VALUE_BYTES, POINTER_BYTES, SparseLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.sparse.blocks import ColumnBlock
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["codebook_image", "pointer_image", "read_codebook", "read_pointers", "read_spmat", "spmat_image"]


def spmat_image(block: ColumnBlock, config: ArchConfig) -> NDArray[np.uint8]:
    """The entries of ``block``: ``block.rows`` rows of all PEs, ``row_stride`` bytes each."""
    sparse, layout = config.sparse, SparseLayout(config)
    matrix, rows = block.matrix, block.rows(config.sparse)
    words = np.zeros((sparse.pes, rows * sparse.row_entries), np.uint16)
    for pe, (start, stop) in enumerate(matrix.starts[:, [block.start, block.stop]]):
        codes, runs = matrix.codes[start:stop], matrix.runs[start:stop].astype(np.uint16)
        words[pe, : stop - start] = codes | runs << sparse.code_bits
    image = np.zeros((rows, layout.row_stride), np.uint8)
    packed = _pack(words.reshape(sparse.pes, rows, sparse.row_entries), sparse)
    image[:, : sparse.pes * sparse.row_bytes] = packed.transpose(1, 0, 2).reshape(rows, sparse.pes * sparse.row_bytes)
    return image.ravel()


def read_spmat(image: NDArray[np.uint8], config: ArchConfig) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Codes and runs, ``[pes, entries]`` each, of whole rows of the sparse-matrix memories."""
    sparse, layout = config.sparse, SparseLayout(config)
    rows = image.reshape(-1, layout.row_stride)[:, : sparse.pes * sparse.row_bytes]
    words = _unpack(rows.reshape(-1, sparse.pes, sparse.row_bytes).transpose(1, 0, 2), sparse)
    words = words.reshape(sparse.pes, -1)
    mask = (1 << sparse.code_bits) - 1
    return (words & mask).astype(np.uint8), (words >> sparse.code_bits).astype(np.uint8)


def pointer_image(block: ColumnBlock, config: ArchConfig) -> NDArray[np.uint8]:
    """The ``block.columns + 1`` pointers of all PEs, ``pointer_stride`` bytes a column."""
    pointers = np.ascontiguousarray(block.pointers, dtype="<u2").view(np.uint8)
    return _spaced(pointers, SparseLayout(config).pointer_stride)


def read_pointers(image: NDArray[np.uint8], config: ArchConfig) -> NDArray[np.uint16]:
    """``[columns, pes]``."""
    rows = image.reshape(-1, SparseLayout(config).pointer_stride)[:, : config.sparse.pes * POINTER_BYTES]
    return np.ascontiguousarray(rows).view("<u2").astype(np.uint16)


def codebook_image(values: NDArray[np.integer], config: ArchConfig) -> NDArray[np.uint8]:
    """One table: ``values[code]``, as int16, for every code; zero behind those that are given.

    Raises:
        ModelError: more values than codes, or one that 16 bits do not hold.

    """
    sparse = config.sparse
    if len(values) > 1 << sparse.code_bits:
        raise ModelError(
            f"a codebook of {len(values)} values needs more than sparse.code_bits={sparse.code_bits} "
            f"({1 << sparse.code_bits} codes)"
        )
    for value in values:
        if not -(1 << 15) <= value < 1 << 15:
            raise ModelError(f"shared weight {value} is beyond the 16 bits of a codebook's value")
    table = np.zeros((1 << sparse.code_bits, 1), "<i2")
    table[: len(values), 0] = values
    return _spaced(table.view(np.uint8), SparseLayout(config).codebook_stride)


def read_codebook(image: NDArray[np.uint8], config: ArchConfig) -> NDArray[np.int16]:
    """The values of the tables in ``image``, ``[tables, codes]``."""
    values = image.reshape(-1, SparseLayout(config).codebook_stride)[:, :CODEBOOK_VALUE_BYTES]
    return np.ascontiguousarray(values).view("<i2").astype(np.int16).reshape(-1, 1 << config.sparse.code_bits)


def _spaced(rows: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """``rows`` ``[n, bytes]``, each at a multiple of ``stride``."""
    image = np.zeros((len(rows), stride), np.uint8)
    image[:, : rows.shape[1]] = rows
    return image.ravel()


def _pack(words: NDArray[np.uint16], sparse: SparseConfig) -> NDArray[np.uint8]:
    """Entries ``[..., row_entries]`` as rows ``[..., row_bytes]``."""
    bits = np.unpackbits(words.astype("<u2")[..., None].view(np.uint8), axis=-1, bitorder="little")
    row = bits[..., : sparse.entry_bits].reshape(*words.shape[:-1], sparse.row_entries * sparse.entry_bits)
    packed = np.packbits(row, axis=-1, bitorder="little")
    image = np.zeros((*words.shape[:-1], sparse.row_bytes), np.uint8)
    image[..., : packed.shape[-1]] = packed
    return image


def _unpack(rows: NDArray[np.uint8], sparse: SparseConfig) -> NDArray[np.uint16]:
    """The inverse of :func:`_pack`."""
    bits = np.unpackbits(rows, axis=-1, bitorder="little")[..., : sparse.row_entries * sparse.entry_bits]
    entries = np.zeros((*rows.shape[:-1], sparse.row_entries, 16), np.uint8)
    entries[..., : sparse.entry_bits] = bits.reshape(*rows.shape[:-1], sparse.row_entries, sparse.entry_bits)
    return np.packbits(entries, axis=-1, bitorder="little").view("<u2")[..., 0].astype(np.uint16)
