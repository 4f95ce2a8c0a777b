"""Which weights come back: those that the output misses most."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.linear_problem import Problem, problem
from hwsim.codesign.restoration import EXCESS, largest, restore_channels, restore_elements

RNG = np.random.default_rng(3)
X, Y, W = RNG.standard_normal((200, 6)), RNG.standard_normal((200, 3)), RNG.standard_normal((6, 3))


def _redundant() -> Problem:
    """Input 0 is large but of a small weight, input 5 small but of a large one; the output is mostly input 0's."""
    x = RNG.standard_normal((300, 6)) * np.array([50, 1, 1, 1, 1, 0.01])
    weights = np.array([[0.5], [0.6], [0.7], [0.8], [0.9], [5.0]])
    return problem(x, x @ weights, weights, centred=False)


def test_restoration_brings_back_what_the_output_misses():
    task = _redundant()
    scores = np.abs(task.weights[:, 0])
    assert not largest(scores, 4)[0], "by magnitude, the input that matters most goes"
    kept = restore_channels([(task, np.arange(6))], scores, 4)
    assert kept.sum() == 4
    assert kept[0], "and comes back"
    assert task.error(task.weights * kept[:, None]) < task.error(task.weights * largest(scores, 4)[:, None])

    elements = restore_elements(task, np.ones((6, 1), bool), 4)
    assert elements.sum() == 4
    assert elements[0, 0]


def test_what_is_gone_is_not_restored():
    task = _redundant()
    scores = np.abs(task.weights[:, 0])
    scores[0] = -np.inf
    assert not restore_channels([(task, np.arange(6))], scores, 4)[0]
    present = np.ones((6, 1), bool)
    present[0] = False
    assert not restore_elements(task, present, 4)[0, 0]


def test_channels_of_several_inputs_and_of_others():
    channels = np.array([0, 0, 1, 1, -1, -1])
    kept = restore_channels([(problem(X, X @ W, W, centred=False), channels)], np.array([1.0, 2.0]), 1)
    assert kept.sum() == 1


@pytest.mark.parametrize("count", [1, 4, 10, 18])
def test_as_many_are_kept_as_asked(count):
    task = problem(X, Y, W, centred=False)
    kept = restore_elements(task, np.ones(W.shape, bool), count)
    assert kept.sum() == count
    by_magnitude = largest(np.abs(W), count - int(EXCESS * count))
    assert kept[by_magnitude].all(), "magnitude decides of all but the last"
