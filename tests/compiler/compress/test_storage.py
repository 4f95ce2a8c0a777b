"""Storage by relative indices and Huffman codes: what is counted can be decoded, and is what the paper counts."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.quantisers import QUANTISERS, Codebook
from compiler.compress.settings import build
from compiler.compress.storage import layer_storage, storage_totals
from compiler.errors import ModelError
from compiler.sparse.csc import decode, encode
from compiler.sparse.huffman import Huffman
from rtl.config import SparseConfig
from tests.compiler.builders import rand


def pruned(*shape: int, density: float = 0.1, seed: int = 0):
    w = rand(*shape, seed=seed)
    return np.where(np.random.default_rng(seed).random(shape) < density, w, 0).astype(np.float32)


@pytest.mark.parametrize("index_bits", [3, 5, 8])
@pytest.mark.parametrize("density", [0.02, 0.1, 0.6])
def test_the_bits_that_are_counted_hold_the_weights(density, index_bits):
    w = pruned(40, 30, density=density)
    codes = Codebook(bits=4).fit(w, 0).encode(w)
    storage = layer_storage("fc", codes, index_bits)

    values = np.unique(codes.values[codes.values != 0])
    numbers = np.where(codes.values == 0, 0, np.searchsorted(values, codes.values) + 1)
    sparse = SparseConfig(pes=1, code_bits=8, index_bits=index_bits)
    matrix = encode(numbers.reshape(-1, 1), sparse)
    streams = []
    for stream in (matrix.codes, matrix.runs):
        code = Huffman.of_counts(np.bincount(stream))
        message = code.encode(stream)
        np.testing.assert_array_equal(code.decode(message, len(stream)), stream)
        streams.append(code.bits(np.bincount(stream)))
        assert len(message) == -(-streams[-1] // 8)
    back = np.concatenate([[0], values])[decode(matrix)].reshape(w.shape)
    np.testing.assert_array_equal(back, codes.values)

    assert storage.entries == len(matrix.codes) >= storage.kept == np.count_nonzero(codes.values)
    coded = storage.entries * (storage.code_bits_huffman + storage.index_bits_huffman)
    assert coded == pytest.approx(sum(streams))
    assert storage.code_bits_huffman <= max(storage.code_bits, 1)
    assert storage.index_bits_huffman <= index_bits


def test_ratios_are_to_floats_with_nothing_pruned():
    w = pruned(100, 100, density=0.08)
    storage = layer_storage("fc", Codebook(bits=5).fit(w, 0).encode(w), 5)
    bits = storage.entries * 10 + 31 * 16
    assert storage.bits_pq == bits
    assert storage.ratio_pq == pytest.approx(w.size * 32 / bits)
    assert storage.ratio_p < storage.ratio_pq < storage.ratio_pqh
    total = storage_totals((storage, storage))
    assert total.ratio_pqh == pytest.approx(storage.ratio_pqh)
    assert total.kept == 2 * storage.kept


@pytest.mark.parametrize("name", ["uniform", "power-of-two", "ternary", "binary"])
def test_formats_without_a_codebook_store_their_scales(name):
    w = rand(16, 50)
    codes = build(QUANTISERS, name).fit(w, 0).encode(w)
    storage = layer_storage("fc", codes, 5)
    assert storage.book_bits == 32 * codes.scale.size
    assert storage.kept == np.count_nonzero(codes.values)


def test_a_layer_of_zeros_takes_its_book_only():
    w = np.zeros((10, 10), np.float32)
    storage = layer_storage("fc", Codebook(bits=4).fit(w, 0).encode(w), 5)
    assert (storage.kept, storage.entries, storage.bits_pq) == (0, 0, 0)


def test_more_weights_than_codes_are_refused():
    w = rand(100, 100)
    with pytest.raises(ModelError, match=r"format 'dual-plane' has \d+ different weights; codes of a byte hold 255"):
        layer_storage("fc", build(QUANTISERS, "dual-plane").fit(w, 0).encode(w), 5)
