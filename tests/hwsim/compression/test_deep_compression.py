"""Deep Compression's LeNets, trained here on MNIST's test images, beside the paper's tables."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.recipe import parse_recipe
from compiler.compress.storage import storage_totals
from hwsim.bench.deep_compression import LENETS, compress_lenet
from hwsim.bench.mnist import IMAGES, load_mnist
from hwsim.errors import InputError
from tests.compiler.shared import MODELS
from workloads.reference.compression import DEEP_COMPRESSION, DEEP_COMPRESSION_LAYERS

FOLDER = MODELS / "data"
needs_mnist = pytest.mark.skipif(not (FOLDER / IMAGES).is_file(), reason=f"MNIST's test images are not at {FOLDER}")
CAFFE = {"ip1": "fc1", "ip2": "fc2", "ip3": "fc3"}
"""The paper's names of layers, and ours."""


@pytest.mark.parametrize("name", LENETS)
def test_the_recipe_keeps_as_many_weights_and_bits_as_the_paper(name):
    lenet = LENETS[name]
    prune, share, _ = parse_recipe(lenet.recipe, name).steps
    for row in DEEP_COMPRESSION_LAYERS.rows():
        if row.network == lenet.paper and row.layer != "Total":
            layer = CAFFE.get(row.layer, row.layer)
            kept = 1 - prune.layers.get(layer, prune.sparsity)
            assert kept == pytest.approx(row.weights_kept_pct / 100), layer
            bits = share.layers.get("conv*", share.bits) if layer.startswith("conv") else share.bits
            assert bits == row.weight_bits_pq


@needs_mnist
def test_the_images_are_split_once():
    data = load_mnist(FOLDER)
    sizes = [len(part) for part in (data.train, data.validation, data.test)]
    assert sizes == [6000, 2000, 2000]
    assert data.train.x.shape[1:] == (1, 28, 28)
    assert data.train.x.max() == 1
    assert np.bincount(np.concatenate([p.y for p in (data.train, data.validation, data.test)])).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ]


def test_missing_images_are_named(tmp_path):
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte\.gz: no such file"):
        load_mnist(tmp_path)


@pytest.mark.slow
@needs_mnist
@pytest.mark.parametrize("name", LENETS)
def test_the_ratio_is_the_papers_at_no_loss_of_accuracy(name):
    result = compress_lenet(LENETS[name], load_mnist(FOLDER))
    published = next(row for row in DEEP_COMPRESSION.rows() if row.network == LENETS[name].paper)
    total = storage_totals(result.storage)
    assert result.test >= result.test_before - 0.005
    assert total.ratio_pq >= 0.95 * published.ratio_pq
    assert total.ratio_pqh >= 0.85 * published.ratio_pqh
