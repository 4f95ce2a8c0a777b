"""Real weights of Deep Compression: as many, and with as much padding, as were stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.sparse.csc import decode, encode
from rtl.config import SparseConfig
from tests.compiler.shared import MODELS
from workloads.registry import WorkloadError
from workloads.squeezenet_dc import read

FILE = MODELS / "squeezenet_dc" / "squeezenet_deep_compression_codes.npz"
needs_weights = pytest.mark.skipif(not FILE.exists(), reason=f"the compressed SqueezeNet is not at {FILE}")


@needs_weights
def test_row_major_it_has_the_entries_and_padding_that_were_stored() -> None:
    """One list of weights a layer, in the order of the file, 4-bit runs: 415,921 weights and 6,162 zeros."""
    stored = SparseConfig(pes=1, lanes=1, code_bits=8, index_bits=4)
    matrices = [encode(layer.codes.reshape(-1, 1), stored) for layer in read(FILE)]
    assert len(matrices) == 26
    assert sum(m.padding for m in matrices) == 6162
    assert sum(len(m.codes) - m.padding for m in matrices) == 415_921


@needs_weights
def test_its_layers_come_back_from_the_columns_of_sixteen_elements() -> None:
    sparse = SparseConfig(pes=16, code_bits=8, index_bits=8)
    for layer in read(FILE)[:6]:
        matrix = layer.codes.transpose(0, 2, 3, 1).reshape(len(layer.codes), -1)
        np.testing.assert_array_equal(decode(encode(matrix, sparse)), matrix)


def write(tmp_path: Path, **arrays: np.ndarray) -> Path:
    np.savez(tmp_path / "w.npz", **arrays)
    return tmp_path / "w.npz"


def test_codes_stand_for_the_weights_of_their_codebook(tmp_path: Path) -> None:
    codes = np.array([0, 2, 1], np.uint8).reshape(1, 3, 1, 1)
    book, bias = np.array([0, 0.5, -2], np.float32), np.zeros(1, np.float32)
    (layer,) = read(write(tmp_path, **{"a.codes": codes, "a.codebook": book, "a.bias": bias}))
    assert layer.name == "a"
    assert layer.weights.ravel().tolist() == [0, -2, 0.5]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"a.codes": np.array([[3]], np.uint8)}, "layer 'a' has no codebook$"),
        (
            {"a.codes": np.array([[3]], np.uint8), "a.codebook": np.zeros(2), "a.bias": np.zeros(1)},
            "layer 'a' has code 3 and a codebook of 2 weights$",
        ),
        (
            {"a.codes": np.array([[1]], np.uint8), "a.codebook": np.ones(2), "a.bias": np.zeros(1)},
            "layer 'a' has 1 for code 0, which is the weight zero$",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, parts: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        read(write(tmp_path, **parts))


def test_a_file_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"none\.npz: cannot be read as compressed weights"):
        read(tmp_path / "none.npz")
