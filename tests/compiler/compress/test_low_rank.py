"""Factorisations: exact at full rank, best at a lower one, and fewer weights."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.layers import weight_layers
from compiler.compress.low_rank import FACTORISATIONS, SingularValues, Tucker2, rank_of
from compiler.compress.low_rank.tucker import tucker2
from compiler.compress.settings import build
from compiler.compress.source import float_graph
from compiler.errors import ModelError
from compiler.evaluate import evaluate
from tests.compiler.builders import model, op, rand, save
from tests.compiler.compress.networks import digits_cnn, run


def of_rank(rows, columns, rank):
    return rand(rows, rank) @ rand(rank, columns, seed=1)


def dense(folder, w, trans):
    nodes = [op("Gemm", "x w b", "y", transB=trans)]
    features = w.shape[1 if trans else 0]
    return float_graph(
        save(model(nodes, {"x": (1, features)}, "y", {"w": w, "b": rand(w.shape[0 if trans else 1])}), folder)
    )


@pytest.mark.parametrize("trans", [0, 1])
def test_a_matrix_of_low_rank_is_factored_without_loss(tmp_path, trans):
    graph = dense(tmp_path, of_rank(20, 30, 4), trans)
    small = graph.copy()
    (layer,) = weight_layers(small)
    assert SingularValues(energy=0.999999).rewrite(small, layer) == (600, 200)
    small.drop_unused()
    small.verify()
    feeds = {"x": rand(*graph.input_ports[0].shape)}
    np.testing.assert_allclose(evaluate(small, feeds)["y"], evaluate(graph, feeds)["y"], rtol=1e-3, atol=1e-4)
    assert sum(la.value(small).size for la in weight_layers(small)) == 200


def test_the_error_of_a_lower_rank_is_what_is_cut_off(tmp_path):
    w = rand(20, 30)
    graph = dense(tmp_path, w, 1)
    (layer,) = weight_layers(graph)
    SingularValues(rank=5).rewrite(graph, layer)
    right, left = (la.value(graph)[:, :, 0, 0] for la in weight_layers(graph))
    singular = np.linalg.svd(w, compute_uv=False)
    assert np.square(left @ right - w).sum() == pytest.approx(np.square(singular[5:]).sum(), rel=1e-4)


def test_the_rank_keeps_the_energy_that_is_asked_for():
    singular = np.array([3.0, 2.0, 1.0, 0.5])
    total = np.square(singular).sum()
    assert [rank_of(singular, e, None) for e in (9 / total, 9.01 / total, 13 / total, 1.0)] == [1, 2, 2, 4]
    assert rank_of(singular, None, 10) == 4
    assert rank_of(np.zeros(3), 0.5, None) == 1


def test_tucker_is_exact_at_the_ranks_of_the_kernel():
    core, a, b = (rand(*shape).astype(np.float64) for shape in ((3, 2, 3, 3), (12, 3), (8, 2)))
    kernels = np.einsum("rsyx,fr,cs->fcyx", core, a, b)
    filters, small, channels = tucker2(kernels, (3, 2))
    np.testing.assert_allclose(np.einsum("rsyx,fr,cs->fcyx", small, filters, channels), kernels, atol=1e-10)
    np.testing.assert_allclose(filters.T @ filters, np.eye(3), atol=1e-10)


def test_iteration_does_not_lose_what_the_first_factors_kept():
    kernels = rand(12, 8, 3, 3).astype(np.float64)
    errors = [
        np.square(np.einsum("rsyx,fr,cs->fcyx", g, a, b) - kernels).sum()
        for a, g, b in (tucker2(kernels, (5, 4), sweeps) for sweeps in (0, 1, 10))
    ]
    assert errors[0] >= errors[1] - 1e-9 >= errors[2] - 2e-9


def test_three_convolutions_compute_what_one_of_the_product_of_their_kernels_does():
    small, product = digits_cnn().copy(), digits_cnn().copy()
    method = Tucker2(rank=12)
    for layer in weight_layers(digits_cnn()):
        if not method.applies(layer, small):
            continue
        before, after = method.rewrite(small, layer)
        if after < before:
            filters, core, channels = tucker2(layer.value(product).astype(np.float64), (12, 12))
            kernels = np.einsum("rsyx,fr,cs->fcyx", core, filters, channels)
            product.set_constant(layer.weights, kernels.astype(np.float32))
    small.drop_unused()
    small.verify()
    names = [layer.name for layer in weight_layers(small)]
    assert names[-5:] == ["pointwise", "conv3/channels", "conv3/core", "conv3", "classifier"]
    np.testing.assert_allclose(run(small), run(product), rtol=1e-3, atol=1e-5)


def test_a_factorisation_that_saves_nothing_is_not_done(tmp_path):
    graph = dense(tmp_path, rand(4, 4), 1)
    (layer,) = weight_layers(graph)
    assert SingularValues(energy=1.0).rewrite(graph, layer) == (16, 16)
    assert [la.weights for la in weight_layers(graph)] == ["w"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("svd", "give either energy or rank"),
        ({"name": "svd", "energy": 0.9, "rank": 3}, "give either energy or rank"),
        ({"name": "tucker-2", "energy": 1.1}, "energy is above 0 and at most 1, not 1.1"),
        ({"name": "svd", "rank": 0}, "rank is 1 or more, not 0"),
        ("cp", "there is no factorisation 'cp'; known: svd, tucker-2"),
    ],
)
def test_an_impossible_rank_is_refused(spec, message):
    with pytest.raises(ModelError, match=message):
        build(FACTORISATIONS, spec)
