"""What is pruned as a whole, and the rows by which its readers are refitted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compiler.compress.layers import weight_layers
from compiler.compress.masks import Masks
from compiler.compress.rows import layer_inputs, output_rows, weight_matrix, weights_of_matrix
from compiler.compress.shrink import shrink
from compiler.compress.source import float_graph
from compiler.evaluate import evaluate
from hwsim.codesign.targets import ChannelTarget, ElementTarget, targets
from hwsim.training.executor import Executor
from workloads.registry import resolve


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    return float_graph(resolve("digits-cnn").file(tmp_path_factory.mktemp("model")))


def test_channels_of_the_digits_cnn(cnn):
    found = {target.name: target for target in targets(cnn, "channel")}
    assert {name: t.count for name, t in found.items() if isinstance(t, ChannelTarget)} == {
        "conv1": 16,
        "conv2": 32,
        "conv3": 48,
    }
    # The residual addition ties the pointwise layer's channels to those of conv2.
    assert {"conv2", "pool", "depthwise", "pointwise", "residual", "conv3"} <= found["conv2"].layers
    assert [reader.layer.name for reader in found["conv2"].readers] == ["pointwise", "conv3"]


def test_elements_of_the_digits_cnn(cnn):
    found = targets(cnn, "element")
    assert all(isinstance(target, ElementTarget) for target in found)
    assert [target.layer.name for target in found] == ["conv1", "conv2", "pointwise", "conv3", "classifier"]


@pytest.mark.parametrize("name", ["conv1", "conv2", "conv3"])
def test_a_pruned_channel_leaves_no_trace(cnn, name):
    (target,) = (t for t in targets(cnn, "channel") if t.name == name)
    assert isinstance(target, ChannelTarget)
    kept = np.ones(target.count, bool)
    kept[[0, 3, 5]] = False
    masks = target.prune(cnn, Masks.none(), kept)
    np.testing.assert_array_equal(target.present(masks), kept)
    small, _ = shrink(cnn, masks)
    sizes = {layer.name: layer.value(small).shape[0] for layer in weight_layers(small)}
    assert sizes[name] == target.count - 3
    x = np.random.default_rng(0).random((1, 1, 8, 8), np.float32)
    want = evaluate(masks.apply(cnn), {"image": x})["probabilities"]
    np.testing.assert_allclose(evaluate(small, {"image": x})["probabilities"], want, rtol=1e-4, atol=1e-6)


def test_magnitudes_rank_a_weak_channel_last(cnn):
    (target,) = (t for t in targets(cnn, "channel") if t.name == "conv3")
    weak = cnn.copy()
    weak.set_constant(
        "conv3.weight", cnn.constant("conv3.weight") * np.where(np.arange(48) == 7, 0.01, 1)[:, None, None, None]
    )
    weak.set_constant("classifier.weight", cnn.constant("classifier.weight") * np.where(np.arange(48) == 7, 0.01, 1))
    assert isinstance(target, ChannelTarget)
    assert target.magnitudes(weak).argmin() == 7


@pytest.mark.parametrize("name", ["conv1", "conv2", "pointwise", "conv3", "classifier"])
def test_rows_times_weights_are_the_layers_output(cnn, name):
    (layer,) = (found for found in weight_layers(cnn) if found.name == name)
    x = torch.from_numpy(np.random.default_rng(1).random((3, 1, 8, 8), np.float32))
    values = Executor(cnn)({"image": x}, wanted=[layer.node.input(0), layer.node.output])
    (rows,) = layer_inputs(cnn, layer, values[layer.node.input(0)].detach().numpy())
    bias = cnn.constant(layer.node.input(2)) if layer.node.input(2) else 0
    want = output_rows(layer, values[layer.node.output].detach().numpy())
    matrix = weight_matrix(layer.value(cnn))
    np.testing.assert_allclose(rows @ matrix + bias, want, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(
        weights_of_matrix(layer, matrix, cnn.constant(layer.weights)), cnn.constant(layer.weights)
    )
