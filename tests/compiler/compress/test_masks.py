"""Masks: what they keep, what they make of a graph, and their files."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.masks import Masks
from compiler.compress.registry import Registry
from compiler.compress.source import float_graph
from compiler.errors import ModelError
from tests.compiler.builders import model, op, rand, save


@pytest.fixture
def graph(tmp_path):
    proto = model([op("Gemm", "x w b", "y", transB=1)], {"x": (1, 3)}, "y", {"w": rand(2, 3), "b": rand(2)})
    return float_graph(save(proto, tmp_path))


def test_applying_zeroes_what_is_not_kept_and_nothing_else(graph):
    mask = np.array([[True, False, True], [False, True, True]])
    pruned = Masks({"w": mask}).apply(graph)
    np.testing.assert_array_equal(pruned.constant("w"), np.where(mask, graph.constant("w"), 0))
    assert (pruned.constant("b") == graph.constant("b")).all()
    assert (graph.constant("w") != 0).all()


def test_sparsity_is_the_share_pruned_over_the_named_constants():
    masks = Masks({"a": np.array([True, False, False, False]), "b": np.ones(4, bool)})
    assert masks.sparsity("a") == 0.75
    assert masks.sparsity() == 0.375
    assert Masks.none().sparsity() == 0


def test_both_masks_keep_what_each_keeps():
    both = Masks({"a": np.array([True, False])}) & Masks({"a": np.array([True, True]), "b": np.ones(1, bool)})
    assert both["a"].tolist() == [True, False]
    assert "b" in both


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 1, 1), (7,), (0,)])
def test_a_file_gives_back_the_masks(tmp_path, shape):
    rng = np.random.default_rng(0)
    masks = Masks({"layer/w:0": rng.random(shape) < 0.5, "file": rng.random((2, 2)) < 0.5})
    masks.save(tmp_path / "masks.npz")
    assert Masks.load(tmp_path / "masks.npz").equals(masks)
    assert [p.name for p in tmp_path.iterdir()] == ["masks.npz"]


def test_a_file_that_holds_no_masks_is_refused(tmp_path):
    path = tmp_path / "masks.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(ModelError, match=r"masks\.npz: is not a file of masks"):
        Masks.load(path)
    np.savez(path, np.arange(3))
    with pytest.raises(ModelError, match="is not a file of masks"):
        Masks.load(path)


def test_a_mask_of_another_shape_or_of_nothing_is_refused(graph):
    with pytest.raises(ModelError, match=r"mask 'w' is \[2\], the constant \[2, 3\]"):
        Masks({"w": np.ones(2, bool)}).apply(graph)
    with pytest.raises(ModelError, match="there is no constant 'v'"):
        Masks({"v": np.ones(2, bool)}).apply(graph)


def test_an_unknown_method_lists_the_known_ones():
    registry: Registry[object] = Registry("score")
    registry.register("magnitude", paper="Han 2015")(object())
    with pytest.raises(ModelError, match=r"^there is no score 'magnitud'; did you mean magnitude\? known: magnitude$"):
        registry["magnitud"]
    with pytest.raises(ValueError, match="two of score 'magnitude'"):
        registry.register("magnitude", paper="")(object())


def test_a_quantised_model_is_refused(tmp_path):
    nodes = [op("QuantizeLinear", "x s z", "q"), op("DequantizeLinear", "q s z", "y")]
    proto = model(nodes, {"x": (1, 3)}, "y", {"s": np.float32(1), "z": np.int8(0)})
    with pytest.raises(ModelError, match="is quantised already"):
        float_graph(save(proto, tmp_path))
