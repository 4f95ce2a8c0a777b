"""The baselines: one threshold, or the same share of every layer; nothing that is unmade or unread stays."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.masks import Masks
from compiler.compress.source import float_graph
from hwsim.codesign.magnitude import prune_by_magnitude
from hwsim.codesign.state import Pruned
from hwsim.codesign.targets import targets, without_dead
from workloads.registry import resolve

LAYERS = ("dense1", "dense2", "classifier")


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    return float_graph(resolve("digits-mlp").file(tmp_path_factory.mktemp("model")))


def _kept(graph, masks):
    return {name: float(masks[f"{name}.weight"].mean()) for name in LAYERS}


def test_uniform_takes_the_same_share_of_every_layer(mlp):
    masks = prune_by_magnitude(targets(mlp, "element"), Pruned(mlp, Masks.none()), 0.3, "magnitude-uniform")
    assert list(_kept(mlp, masks).values()) == pytest.approx([0.7] * 3, abs=2e-3)
    again = prune_by_magnitude(targets(mlp, "element"), Pruned(masks.apply(mlp), masks), 0.5, "magnitude-uniform")
    assert list(_kept(mlp, again).values()) == pytest.approx([0.35] * 3, abs=3e-3)


def test_global_is_one_threshold_over_each_layers_spread(mlp):
    masks = prune_by_magnitude(targets(mlp, "element"), Pruned(mlp, Masks.none()), 0.3, "magnitude")
    scores = {name: np.abs(mlp.constant(f"{name}.weight")) / mlp.constant(f"{name}.weight").std() for name in LAYERS}
    gone = np.concatenate([scores[name][~masks[f"{name}.weight"]] for name in LAYERS])
    left = np.concatenate([scores[name][masks[f"{name}.weight"]] for name in LAYERS])
    assert gone.size / (gone.size + left.size) == pytest.approx(0.3, abs=1e-3)
    assert gone.max() <= left.min()
    assert len({round(share, 2) for share in _kept(mlp, masks).values()}) > 1


@pytest.mark.parametrize("method", ["magnitude", "magnitude-uniform"])
def test_of_channels_each_layer_keeps_one(mlp, method):
    channels = targets(mlp, "channel")
    masks = prune_by_magnitude(channels, Pruned(mlp, Masks.none()), 0.99, method)
    assert all(target.present(masks).sum() >= 1 for target in channels)


def test_a_neuron_that_nobody_reads_goes_with_what_makes_it(mlp):
    weights = mlp.constant("dense2.weight")
    axis = weights.shape.index(64)
    mask = np.ones(weights.shape, bool)
    np.moveaxis(mask, axis, 0)[5] = False
    masks = without_dead(Masks({"dense2.weight": mask}), targets(mlp, "channel"), mlp)
    made = masks["dense1.weight"]
    assert sum(not made.take(i, axis=a).any() for a in (0, 1) for i in range(64)) == 1
    assert not masks["dense1.bias"][5]
    assert masks["dense1.bias"].sum() == 63
