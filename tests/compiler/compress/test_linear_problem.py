"""Local fits against their closed form, computed another way."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.linear_problem import RIDGE, problem

RNG = np.random.default_rng(3)
X, Y, W = RNG.standard_normal((200, 6)), RNG.standard_normal((200, 3)), RNG.standard_normal((6, 3))
KEPT = np.array([True, False, True, True, False, True])


def _ridge(x: np.ndarray, y: np.ndarray, start: np.ndarray, strength: float) -> np.ndarray:
    """``argmin |Y - X W|^2 + strength |W - start|^2`` as an ordinary problem with more rows."""
    rows = np.vstack([x, np.sqrt(strength) * np.eye(x.shape[1])])
    return np.linalg.lstsq(rows, np.vstack([y, np.sqrt(strength) * start]), rcond=None)[0]


def _all(inputs: np.ndarray) -> np.ndarray:
    """The same inputs for every output."""
    return np.repeat(inputs[:, None], 3, axis=1)


def _strength(x: np.ndarray) -> float:
    return RIDGE * float((x**2).sum()) / x.shape[1]


def test_solves_for_the_inputs_that_are_kept():
    got = problem(X, Y, W, centred=False).solve(_all(KEPT))
    assert not got[~KEPT].any()
    np.testing.assert_allclose(got[KEPT], _ridge(X[:, KEPT], Y, W[KEPT], _strength(X)), rtol=1e-9)


def test_solves_each_output_for_its_own_weights():
    kept = RNG.random(W.shape) < 0.6
    got = problem(X, Y, W, centred=False).solve(kept)
    assert not got[~kept].any()
    for output in range(3):
        rows = kept[:, output]
        want = _ridge(X[:, rows], Y[:, [output]], W[rows][:, [output]], _strength(X))
        np.testing.assert_allclose(got[rows, output], want[:, 0], rtol=1e-9)


def test_with_a_bias_it_is_the_fit_about_the_means():
    x, y = X + 5, Y - 2
    task = problem(x, y, W, centred=True)
    weights = task.solve(_all(np.ones(6, bool)))
    want = _ridge(x - x.mean(0), y - y.mean(0), W, _strength(x - x.mean(0)))
    np.testing.assert_allclose(weights, want, rtol=1e-8)
    np.testing.assert_allclose((x @ weights + task.bias(weights)).mean(0), y.mean(0), rtol=1e-9)


def test_error_is_the_share_of_the_output_that_is_lost():
    task = problem(X, Y, W, centred=False)
    assert task.error(W) == pytest.approx(((Y - X @ W) ** 2).sum() / (Y**2).sum())
    assert task.error(np.zeros_like(W)) == pytest.approx(1.0)


def test_weights_that_the_rows_do_not_determine_stay_near_what_they_were():
    x = np.hstack([X[:, :3], X[:, :3]])  # every input twice: only sums are determined
    task = problem(x, x @ W, W, centred=False)
    np.testing.assert_allclose(task.solve(_all(np.ones(6, bool))), W, rtol=1e-6)


def test_a_whole_linear_layer_is_recovered():
    task = problem(X, X @ W, RNG.standard_normal(W.shape), centred=False)
    assert task.error(task.solve(_all(np.ones(6, bool)))) < 1e-5
