"""AlexNet's pruned convolutions: the sizes of the published tables, and densities as given."""

from __future__ import annotations

import numpy as np
import pytest

from workloads.pruned_alexnet import LAYERS, PrunedConv, active_windows, kept_weights
from workloads.reference.compression import DEEP_COMPRESSION_LAYERS, HAN2015_LAYERS

BY_NAME = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


@BY_NAME
def test_sizes_are_those_of_the_tables(layer: PrunedConv) -> None:
    (row,) = [r for r in DEEP_COMPRESSION_LAYERS.rows() if (r.network, r.layer) == ("AlexNet", layer.name)]
    weights = layer.filters * layer.window // layer.groups
    assert weights + layer.filters == pytest.approx(row.weights, rel=0.02)
    (row,) = [r for r in HAN2015_LAYERS.rows() if (r.network, r.layer) == ("AlexNet", layer.name)]
    assert 2 * layer.macs == pytest.approx(row.flop, rel=0.01)


@BY_NAME
def test_densities_are_as_given(layer: PrunedConv) -> None:
    kept, active = kept_weights(layer), active_windows(layer)
    assert kept.shape == (layer.filters, layer.window)
    assert active.shape == (layer.out_size**2, layer.window)
    assert kept.mean() * layer.groups == pytest.approx(layer.weights, rel=0.02)
    inside = active[layer.out_size * (layer.out_size // 2) + layer.out_size // 2]
    assert inside.mean() == pytest.approx(layer.activations, abs=0.05)


def test_groups_see_their_own_channels_only() -> None:
    layer = LAYERS[1]
    kept = kept_weights(layer).reshape(layer.filters, -1, layer.channels)
    assert not kept[:128, :, 48:].any()
    assert not kept[128:, :, :48].any()
    assert kept[:128, :, :48].any()


def test_windows_overlap_as_those_of_an_image() -> None:
    layer = LAYERS[2]
    windows = active_windows(layer).reshape(13, 13, 3, 3, 256)
    np.testing.assert_array_equal(windows[4, 5, 1, 2], windows[4, 6, 1, 1])
    assert not windows[0, 0, 0].any()
