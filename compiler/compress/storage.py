"""What weights take when stored as Deep Compression stores them: pruned, coded, and Huffman-coded.

Han, Mao and Dally, "Deep Compression", ICLR 2016, tables 2 to 4: each kept weight has a code and the number of zeros
before it in the flattened tensor, of so many bits that longer runs take padding entries; both streams are then
Huffman-coded on their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.layers import weight_layers
from compiler.errors import ModelError
from compiler.sparse.csc import encode
from compiler.sparse.huffman import Huffman
from rtl.config import SparseConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.quantisers.base import Codes
    from compiler.compress.state import State

__all__ = ["LayerStorage", "StorageTotals", "layer_storage", "storage_of", "storage_totals"]

FLOAT_BITS = 32
VALUE_BITS = 16
"""Of a codebook's value."""
LENGTH_BITS = 8
"""Of an entry in a table of Huffman code lengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStorage:
    """The bits of a layer's weights. ``pq`` is pruned and quantised, ``pqh`` Huffman-coded as well."""

    name: str
    weights: int
    kept: int
    entries: int
    """Kept weights and padding."""
    code_bits: int
    index_bits: int
    code_bits_huffman: float
    """Of an entry, on average."""
    index_bits_huffman: float
    book_bits: int
    """Codebook (or scales) of the layer."""
    table_bits: int
    """Code lengths of both Huffman codes."""

    @property
    def bits_pq(self) -> float:
        """Entries and codebook."""
        return self.entries * (self.code_bits + self.index_bits) + self.book_bits

    @property
    def bits_pqh(self) -> float:
        """Huffman-coded entries, their tables, and the codebook."""
        coded = self.entries * (self.code_bits_huffman + self.index_bits_huffman)
        return coded + self.book_bits + self.table_bits

    @property
    def float_bits(self) -> int:
        """Of the same layer in float32, with nothing pruned."""
        return self.weights * FLOAT_BITS

    @property
    def ratio_p(self) -> float:
        """Compression by pruning alone: floats instead of codes."""
        return self.float_bits / max(self.entries * (FLOAT_BITS + self.index_bits), 1)

    @property
    def ratio_pq(self) -> float:
        """Compression by pruning and quantisation."""
        return self.float_bits / max(self.bits_pq, 1)

    @property
    def ratio_pqh(self) -> float:
        """Compression by all three."""
        return self.float_bits / max(self.bits_pqh, 1)


def storage_of(state: State, index_bits: int, conv_index_bits: int) -> tuple[LayerStorage, ...]:
    """Every layer that has a format, in order."""
    codes = state.codes()
    return tuple(
        layer_storage(layer.name, codes[layer.weights], conv_index_bits if layer.node.op_type == "Conv" else index_bits)
        for layer in weight_layers(state.graph)
        if layer.weights in codes
    )


@dataclass(frozen=True, slots=True)
class StorageTotals:
    """Sums over layers, and the network's ratios."""

    weights: int
    kept: int
    bits_pq: float
    bits_pqh: float

    @property
    def ratio_pq(self) -> float:
        """Compression by pruning and quantisation."""
        return self.weights * FLOAT_BITS / max(self.bits_pq, 1)

    @property
    def ratio_pqh(self) -> float:
        """Compression by all three."""
        return self.weights * FLOAT_BITS / max(self.bits_pqh, 1)


def storage_totals(layers: tuple[LayerStorage, ...]) -> StorageTotals:
    """The whole network."""
    return StorageTotals(
        sum(layer.weights for layer in layers),
        sum(layer.kept for layer in layers),
        sum(layer.bits_pq for layer in layers),
        sum(layer.bits_pqh for layer in layers),
    )


def layer_storage(name: str, codes: Codes, index_bits: int) -> LayerStorage:
    """The storage of one layer's codes, at ``index_bits`` bits for a run of zeros."""
    symbols, values = _symbols(codes)
    sparse = SparseConfig(pes=1, weights="codebook", code_bits=8, index_bits=index_bits)
    stored = encode(symbols.reshape(-1, 1), sparse)
    code_counts = np.bincount(stored.codes, minlength=1)
    run_counts = np.bincount(stored.runs, minlength=1)
    entries = len(stored.codes)
    by_code, by_run = Huffman.of_counts(code_counts), Huffman.of_counts(run_counts)
    is_book = codes.format.arithmetic == "codebook"
    return LayerStorage(
        name=name,
        weights=codes.values.size,
        kept=int(np.count_nonzero(symbols)),
        entries=entries,
        code_bits=codes.format.bits,
        index_bits=index_bits,
        code_bits_huffman=by_code.bits(code_counts) / max(entries, 1),
        index_bits_huffman=by_run.bits(run_counts) / max(entries, 1),
        book_bits=len(values) * VALUE_BITS if is_book else codes.scale.size * FLOAT_BITS,
        table_bits=LENGTH_BITS * int(np.count_nonzero(code_counts) + np.count_nonzero(run_counts)),
    )


def _symbols(codes: Codes) -> tuple[NDArray[np.uint8], NDArray[np.signedinteger]]:
    """A number for each weight, 0 for zero, and the values that the others stand for.

    Raises:
        ModelError: there are more values than a byte counts.

    """
    centred = codes.values.astype(np.int64) - codes.along(codes.zero_point)
    values = np.unique(centred[centred != 0])
    if len(values) > 255:
        raise ModelError(f"format {codes.format.name!r} has {len(values)} different weights; codes of a byte hold 255")
    numbers = np.searchsorted(values, centred) + 1
    return np.where(centred == 0, 0, numbers).astype(np.uint8), values
