"""The guide on a dense array: what the hardware cannot use earns nothing, what it can is what it then costs."""

from __future__ import annotations

import numpy as np
import pytest

import hwsim
from compiler.compress.masks import Masks
from compiler.compress.shrink import shrink
from compiler.compress.source import float_graph
from compiler.frontend.write import to_onnx
from hwsim.codesign.cost import LayerCost, NetworkCost
from hwsim.codesign.dense_cost import DenseCost
from hwsim.codesign.targets import ChannelTarget, targets
from rtl.config import load_arch
from workloads.registry import resolve


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    return float_graph(resolve("digits-cnn").file(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def cost():
    return DenseCost(load_arch("dense-8x8"))


def _pruned(graph, name, count):
    (target,) = (t for t in targets(graph, "channel") if t.name == name)
    assert isinstance(target, ChannelTarget)
    return target.prune(graph, Masks.none(), np.arange(target.count) < count)


def test_it_is_what_estimate_says(cnn, cost, tmp_path):
    for masks in (Masks.none(), _pruned(cnn, "conv2", 21)):
        small, _ = shrink(cnn, masks)
        path = tmp_path / "small.onnx"
        path.write_bytes(to_onnx(small).SerializeToString())
        data = np.random.default_rng(0).random((4, 1, 8, 8), np.float32)
        want = hwsim.estimate(str(path), "dense-8x8", calibration=data)
        got = cost.cost(cnn, masks)
        assert {n: c.cycles for n, c in got.layers.items()} == {la.name: la.cycles for la in want.layers}
        assert got.energy_pj == pytest.approx(want.totals()["energy_pj"], rel=1e-12)


def test_single_zeros_earn_nothing(cnn, cost):
    rng = np.random.default_rng(0)
    masks = Masks({n: rng.random(cnn.constant(n).shape) < 0.1 for n in ("conv2.weight", "conv3.weight")})
    assert cost.cost(cnn, masks).energy_pj == cost.cost(cnn, Masks.none()).energy_pj


def test_channels_earn_in_the_layers_on_both_sides(cnn, cost):
    before, after = cost.cost(cnn, Masks.none()), cost.cost(cnn, _pruned(cnn, "conv2", 16))
    for name in ("conv2", "depthwise", "pointwise", "conv3"):
        assert after.layers[name].energy_pj < before.layers[name].energy_pj
    assert after.layers["conv1"] == before.layers["conv1"]


def test_objectives():
    cost = NetworkCost({"a": LayerCost(energy_pj=30.0, cycles=1), "b": LayerCost(energy_pj=10.0, cycles=3)})
    assert [cost.value(goal) for goal in ("energy", "latency", "edp")] == [40.0, 4.0, 160.0]
    assert [cost.share({"a"}, goal) for goal in ("energy", "latency", "edp")] == [0.75, 0.25, 0.5]
