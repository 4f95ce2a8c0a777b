"""The optimal brain surgeon and the least-squares fit, against direct solutions of the problems that they solve."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.hessian import BlockHessian, hessians
from compiler.compress.layers import weight_layers
from compiler.compress.least_squares import LocalFit, least_squares
from compiler.compress.linear_problem import problem
from compiler.compress.masks import Masks
from compiler.compress.obs import surgeon, update_rows
from compiler.compress.rows import layer_inputs
from compiler.compress.scores import Evidence, OptimalBrainSurgeon
from compiler.compress.source import float_graph
from compiler.compress.untrained import Untrained
from tests.compiler.builders import model, op, rand, save
from tests.compiler.compress.networks import digits_cnn, untrained

SAMPLES = 40


def linear(folder, inputs=6, outputs=3, bias=False):
    """``y = W x`` over correlated inputs, and a trainer that has them."""
    x = rand(SAMPLES, inputs, seed=1) @ rand(inputs, inputs, seed=2)
    names = "x w b" if bias else "x w"
    constants = {"w": rand(outputs, inputs), **({"b": rand(outputs)} if bias else {})}
    proto = model([op("Gemm", names, "y", transB=1)], {"x": (1, inputs)}, "y", constants)
    classes = np.zeros(SAMPLES, np.int64)
    trainer = Untrained(inputs=x, classes=classes, test_inputs=x, test_classes=classes)
    return float_graph(save(proto, folder)), trainer, x.astype(np.float64)


def best_without(w, x, gone):
    """The least-squares weights for the outputs of ``w`` with some of them zero, and half their mean squared error."""
    kept = ~gone
    best = np.zeros_like(w)
    best[kept] = np.linalg.lstsq(x[:, kept], x @ w, rcond=None)[0]
    return best, np.square(x @ (best - w)).mean() / 2


def test_saliency_is_the_error_that_is_left_when_the_others_make_up_for_a_weight(tmp_path):
    graph, trainer, x = linear(tmp_path)
    evidence = Evidence(graph=graph, trainer=trainer, samples=SAMPLES)
    score = OptimalBrainSurgeon(damping=1e-12)(evidence)["w"][:, :, 0, 0]
    for row, w in enumerate(graph.constant("w").astype(np.float64)):
        for q in range(len(w)):
            _, error = best_without(w, x, np.arange(len(w)) == q)
            assert score[row, q] == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_surgeon_leaves_the_least_error_that_the_zeros_allow(tmp_path, seed):
    graph, trainer, x = linear(tmp_path)
    mask = np.random.default_rng(seed).random((3, 6)) < 0.5
    after = surgeon(graph, Masks({"w": mask}), trainer, SAMPLES, damping=1e-12).constant("w")
    for row, w in enumerate(graph.constant("w").astype(np.float64)):
        best, _ = best_without(w, x, ~mask[row])
        np.testing.assert_allclose(after[row], best, rtol=1e-3, atol=1e-4)
        assert (after[row][~mask[row]] == 0).all()


def test_removing_one_weight_is_the_rule_of_the_paper():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 5))
    hessian, w = x.T @ x / 50, rng.standard_normal(5)
    inverse = np.linalg.inv(hessian)
    q = 3
    want = w - w[q] / inverse[q, q] * inverse[:, q]
    kept = (np.arange(5) != q)[None, None]
    got = update_rows(w[None, None], kept, BlockHessian((hessian[None],)), 0.0)
    np.testing.assert_allclose(got[0, 0], want, atol=1e-12)


def test_blocks_are_solved_each_on_its_own():
    rng = np.random.default_rng(0)
    blocks = [np.cov(rng.standard_normal((n, 40))) for n in (4, 3)]
    w, kept = rng.standard_normal(7), np.array([1, 0, 1, 1, 0, 1, 1], bool)
    whole = BlockHessian((np.block([[blocks[0], np.zeros((4, 3))], [np.zeros((3, 4)), blocks[1]]])[None],))
    split = BlockHessian(tuple(b[None] for b in blocks))
    want, got = (update_rows(w[None, None], kept[None, None], h, 0.0) for h in (whole, split))
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_a_convolutions_hessian_is_of_the_windows_that_its_kernels_see():
    graph = digits_cnn()
    for layer, hessian in hessians(graph, untrained(), 3, block=4096):
        tensors = [layer.node.input(0), layer.node.output]
        found = untrained().activations(graph, 3, tensors)
        columns = layer_inputs(graph, layer, found[tensors[0]])
        rows = layer.value(graph).reshape(layer.groups, -1, hessian.columns)
        y = np.einsum("gnc,gfc->gfn", columns, rows)
        want = found[tensors[1]]
        if layer.node.op_type == "FullyConnected":
            want = want - graph.constant(layer.node.input(2))
        np.testing.assert_allclose(
            y.reshape(want.shape[1], -1), np.moveaxis(want, 1, 0).reshape(want.shape[1], -1), atol=1e-4
        )
        np.testing.assert_allclose(
            hessian.blocks[0][0], columns[0].T @ columns[0] / columns.shape[1], rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_fit_is_the_least_squares_solution(tmp_path, seed, bias):
    graph, trainer, x = linear(tmp_path, bias=bias)
    mask = np.random.default_rng(seed).random((3, 6)) < 0.6
    masks = Masks({"w": mask})
    fitted = least_squares(masks.apply(graph), graph, masks, trainer, LocalFit(SAMPLES, 1e-12))
    y = x @ graph.constant("w").T + (graph.constant("b") if bias else 0)
    for row in range(3):
        columns = np.concatenate([x[:, mask[row]], np.ones((SAMPLES, int(bias)))], axis=1)
        best = np.linalg.lstsq(columns, y[:, row], rcond=None)[0]
        got = np.append(fitted.constant("w")[row][mask[row]], fitted.constant("b")[row] if bias else [])
        np.testing.assert_allclose(got, best, rtol=1e-3, atol=1e-4)


def test_strong_damping_leaves_weights_as_they_are():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 4))
    start = rng.standard_normal(4)
    task = problem(x, rng.standard_normal((20, 1)), start[:, None], centred=False, damping=1e9)
    np.testing.assert_allclose(task.solve(np.ones((4, 1), bool))[:, 0], start, rtol=1e-6)


def test_a_fit_brings_every_layers_output_nearer_to_what_it_was():
    graph, trainer = digits_cnn(), untrained()
    masks = Masks(
        {
            layer.weights: np.abs(value := graph.constant(layer.weights)) >= np.quantile(np.abs(value), 0.6)
            for layer in weight_layers(graph)
        }
    )
    pruned = masks.apply(graph)
    fitted = least_squares(pruned, graph, masks, trainer, LocalFit(16))
    assert all((fitted.constant(n)[~m] == 0).all() for n, m in masks.kept.items())
    outputs = [layer.node.output for layer in weight_layers(graph)]
    want, before, after = (trainer.activations(g, 16, outputs) for g in (graph, pruned, fitted))
    for name in outputs:
        assert np.square(after[name] - want[name]).sum() < 0.8 * np.square(before[name] - want[name]).sum()
