"""What is pruned as a whole is cut out, through whatever it is connected by, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.channels import channel_map
from compiler.compress.granularities import GRANULARITIES
from compiler.compress.layers import weight_layers
from compiler.compress.masks import Masks
from compiler.compress.prune import Pruning
from compiler.compress.scores import SCORES
from compiler.compress.shrink import shrink
from compiler.compress.source import float_graph
from compiler.errors import ModelError
from compiler.evaluate import evaluate
from tests.compiler.builders import kinds, model, op, rand, save
from tests.compiler.compress.networks import Shaker

IMAGE = {"x": (1, 3, 6, 6)}


def conv(x: str, w: str, y: str, **attributes):
    return op("Conv", f"{x} {w}", y, pads=[1, 1, 1, 1], **attributes)


def norm(x: str, y: str):
    return op("BatchNormalization", f"{x} {y}.s {y}.b {y}.m {y}.v", y)


def parameters(name: str, channels: int, seed: int = 0):
    values = rand(4, channels, seed=seed)
    return {f"{name}.{key}": np.abs(v) + 0.5 if key in "sv" else v for key, v in zip("sbmv", values, strict=True)}


def built(folder, nodes, outputs, constants, inputs=IMAGE):
    return float_graph(save(model(nodes, inputs, outputs, constants), folder))


def pruned(graph, granularity="filter", sparsity=0.5):
    """``graph`` masked and cut, which must compute the same; returns it with the shapes of its weights."""
    what = Pruning(score=SCORES["magnitude"](), granularity=GRANULARITIES[granularity](), sparsity=sparsity)
    masks = what.masks(graph, Shaker())
    small, rest = shrink(graph, masks)
    for seed in range(3):
        feeds = {port.name: rand(*port.shape, seed=seed) for port in graph.input_ports}
        want, got = (evaluate(g, feeds) for g in (masks.apply(graph), small))
        for name in graph.outputs:
            np.testing.assert_allclose(got[name], want[name], rtol=1e-4, atol=1e-5)
    assert all(small.constant(name).shape == mask.shape for name, mask in rest.kept.items())
    for tensor in small.tensors():
        assert tensor.shape == evaluate(small, feeds)[tensor.name].shape
    return small, {layer.weights: layer.value(small).shape for layer in weight_layers(small)}


def test_a_filter_takes_its_batch_norm_and_its_readers_along(tmp_path):
    nodes = [conv("x", "a", "p"), norm("p", "n"), op("Relu", "n", "r"), conv("r", "b", "y")]
    constants = {"a": rand(8, 3, 3, 3), "b": rand(5, 8, 3, 3, seed=1), **parameters("n", 8)}
    small, shapes = pruned(built(tmp_path, nodes, "y", constants))
    assert shapes == {"a": (4, 3, 3, 3), "b": (5, 4, 3, 3)}
    assert {small.constant(f"n.{key}").shape for key in "sbmv"} == {(4,)}


def test_what_an_addition_joins_goes_together(tmp_path):
    nodes = [conv("x", "a", "p"), conv("p", "b", "q"), op("Add", "p q", "s"), op("Relu", "s", "t"), conv("t", "c", "y")]
    constants = {"a": rand(8, 3, 3, 3), "b": rand(8, 8, 3, 3, seed=1), "c": rand(2, 8, 3, 3, seed=2)}
    _, shapes = pruned(built(tmp_path, nodes, "y", constants))
    assert shapes == {"a": (4, 3, 3, 3), "b": (4, 4, 3, 3), "c": (2, 4, 3, 3)}


def test_a_concatenation_keeps_its_parts_apart(tmp_path):
    nodes = [
        conv("x", "a", "p"),
        conv("x", "b", "q"),
        op("Concat", "p q p", "s", axis=1),
        conv("s", "c", "t"),
        op("Relu", "t", "y"),
    ]
    constants = {"a": rand(4, 3, 3, 3), "b": rand(6, 3, 3, 3, seed=1), "c": rand(2, 14, 3, 3, seed=2)}
    _, shapes = pruned(built(tmp_path, nodes, "y", constants))
    assert shapes == {"a": (2, 3, 3, 3), "b": (3, 3, 3, 3), "c": (2, 7, 3, 3)}


@pytest.mark.parametrize("granularity", ["filter", "channel"])
def test_a_flattened_channel_is_all_of_its_positions(tmp_path, granularity):
    nodes = [
        conv("x", "a", "p"),
        op("MaxPool", "p", "m", kernel_shape=[2, 2], strides=[2, 2]),
        op("Reshape", "m shape", "f"),
        op("Gemm", "f b c", "g", transB=1),
        op("Relu", "g", "r"),
        op("MatMul", "r d", "y"),
    ]
    constants = {"a": rand(4, 3, 3, 3), "b": rand(10, 36, seed=1), "c": rand(10), "d": rand(10, 3, seed=2)}
    shape = {"shape": np.array([1, 36])}
    small, shapes = pruned(built(tmp_path, nodes, "y", constants | shape), granularity)
    assert shapes == {"a": (2, 3, 3, 3), "b": (5, 18, 1, 1), "d": (3, 5, 1, 1)}
    assert small.constant("d").shape == (5, 3)


def test_a_depthwise_convolution_hands_channels_on(tmp_path):
    nodes = [conv("x", "a", "p"), conv("p", "b", "q", group=8), op("Sigmoid", "q", "r"), conv("r", "c", "y")]
    constants = {"a": rand(8, 3, 3, 3), "b": rand(8, 1, 3, 3, seed=1), "c": rand(2, 8, 3, 3, seed=2)}
    small, shapes = pruned(built(tmp_path, nodes, "y", constants))
    assert shapes == {"a": (4, 3, 3, 3), "b": (4, 1, 3, 3), "c": (2, 4, 3, 3)}
    assert next(n for n in small.operators() if n.name == "q").integer("group", 1) == 4


def test_a_gate_of_one_value_per_channel_goes_with_its_channel(tmp_path):
    nodes = [
        conv("x", "a", "p"),
        op("GlobalAveragePool", "p", "s"),
        op("Conv", "s g", "h"),
        op("Sigmoid", "h", "i"),
        op("Mul", "p i", "q"),
        conv("q", "c", "y"),
    ]
    constants = {"a": rand(8, 3, 3, 3), "g": rand(8, 8, 1, 1, seed=1), "c": rand(2, 8, 3, 3, seed=2)}
    _, shapes = pruned(built(tmp_path, nodes, "y", constants))
    assert shapes == {"a": (4, 3, 3, 3), "g": (4, 4, 1, 1), "c": (2, 4, 3, 3)}


def test_grouped_convolutions_inputs_and_outputs_stay_whole(tmp_path):
    nodes = [conv("x", "a", "p"), conv("p", "b", "q", group=2), conv("q", "c", "y")]
    constants = {"a": rand(8, 3, 3, 3), "b": rand(8, 4, 3, 3, seed=1), "c": rand(2, 8, 3, 3, seed=2)}
    graph = built(tmp_path, nodes, "y", constants)
    channels = channel_map(graph)
    free = {s.constant for s in channels.slots if s.role == "filter" and not channels.locked & set(s.channels.tolist())}
    assert free == set()


def test_weights_that_two_layers_share_stay_whole(tmp_path):
    nodes = [conv("x", "a", "p"), conv("p", "b", "q"), conv("q", "b", "r"), conv("r", "c", "y")]
    constants = {"a": rand(4, 3, 3, 3), "b": rand(4, 4, 3, 3, seed=1), "c": rand(2, 4, 3, 3, seed=2)}
    graph = built(tmp_path, nodes, "y", constants)
    channels = channel_map(graph)
    for slot in channels.slots:
        if slot.constant == "b":
            assert channels.locked.issuperset(slot.channels.tolist())


def test_a_layer_keeps_a_channel_at_any_sparsity(tmp_path):
    nodes = [conv("x", "a", "p"), conv("p", "b", "y")]
    constants = {"a": rand(4, 3, 3, 3), "b": rand(2, 4, 3, 3, seed=1)}
    _, shapes = pruned(built(tmp_path, nodes, "y", constants), sparsity=0.99)
    assert shapes["a"] == (1, 3, 3, 3)


def test_a_residual_branch_without_weights_is_no_layer(tmp_path):
    nodes = [
        conv("x", "a", "p"),
        conv("p", "b", "q"),
        norm("q", "n"),
        op("Relu", "n", "r"),
        conv("r", "c", "s"),
        op("Add", "s p", "t"),
        conv("t", "d", "y"),
    ]
    shape = (4, 4, 3, 3)
    constants = {"a": rand(4, 3, 3, 3), "b": rand(*shape), "c": rand(*shape), "d": rand(2, 4, 3, 3)}
    graph = built(tmp_path, nodes, "y", constants | parameters("n", 4))
    small, shapes = pruned(graph, "layer", 0.9)
    assert list(shapes) == ["a", "d"]
    assert kinds(small) == ["Conv", "Conv"]


def test_a_network_without_a_branch_has_no_layer_to_spare(tmp_path):
    graph = built(tmp_path, [conv("x", "a", "y")], "y", {"a": rand(4, 3, 3, 3)})
    with pytest.raises(ModelError, match="granularity 'layer': 'test' has no residual branch"):
        pruned(graph, "layer")


def test_scattered_zeros_are_no_reason_to_cut(tmp_path):
    nodes = [conv("x", "a", "p"), conv("p", "b", "y")]
    graph = built(tmp_path, nodes, "y", {"a": rand(4, 3, 3, 3), "b": rand(2, 4, 3, 3)})
    half = Masks(
        {name: np.arange(graph.constant(name).size).reshape(graph.constant(name).shape) % 2 == 0 for name in "ab"}
    )
    small, masks = shrink(graph, half)
    assert masks.equals(half)
    assert small.constant("a").shape == (4, 3, 3, 3)
