"""Fronts against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwsim.sweeps.front.pareto import front_mask, hypervolume, knee_point, reference_point, spread
from hwsim.sweeps.front.summary import fronts_of

FIGURES = arrays(np.float64, st.tuples(st.integers(1, 30), st.just(3)), elements=st.integers(0, 5).map(float))


def dominated(a: np.ndarray, b: np.ndarray, signs: np.ndarray) -> bool:
    """``b`` is at least as good as ``a`` everywhere and better somewhere."""
    return bool((signs * b <= signs * a).all() and (signs * b < signs * a).any())


@given(FIGURES, st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_the_front_is_what_nothing_dominates(figures: np.ndarray, maximise: tuple[bool, ...]):
    signs = np.where(maximise, -1.0, 1.0)
    expected = [not any(dominated(a, b, signs) for b in figures) for a in figures]
    assert front_mask(figures, maximise).tolist() == expected


@given(FIGURES)
def test_the_hypervolume_is_the_share_of_points_below_that_are_dominated(figures: np.ndarray):
    reference = np.full(3, 6.0)
    cells = np.indices((6, 6, 6)).reshape(3, -1).T  # lower corners of unit cubes
    covered = (figures[:, None, :] <= cells[None]).all(axis=2).any(axis=0)
    assert hypervolume(figures, (False,) * 3, reference) == pytest.approx(covered.sum())


def test_more_of_what_is_maximised_is_better():
    figures = np.array([[1.0, 0.9], [2.0, 0.95], [2.0, 0.8]])
    assert front_mask(figures, (False, True)).tolist() == [True, True, False]
    assert hypervolume(figures, (False, True), np.array([3.0, 0.5])) == pytest.approx(2 * 0.4 + 1 * 0.05)


def test_a_figure_that_is_not_known_keeps_a_point_off():
    figures = np.array([[np.nan, 0.0], [1.0, 1.0]])
    assert front_mask(figures, (False, False)).tolist() == [False, True]
    assert not front_mask(np.full((2, 2), np.nan), (False, False)).any()


def test_the_knee_is_where_both_are_good():
    figures = np.array([[0.0, 10.0], [1.0, 1.0], [10.0, 0.0], [5.0, 5.0]])
    assert knee_point(figures, (False, False)) == 1
    assert knee_point(np.zeros((0, 2)), (False, False)) is None


def test_the_spread_begins_with_the_knee_and_goes_to_the_ends():
    figures = np.array([[0.0, 10.0], [1.0, 1.0], [10.0, 0.0], [0.9, 2.0], [0.9, 2.0]])
    chosen = spread(figures, (False, False), 3)
    assert chosen[0] == 1
    assert set(chosen[1:]) == {0, 2}
    # Of equal points one.
    assert len(spread(figures, (False, False), 10)) == 4
    assert spread(figures, (False, False), 0) == []


def test_the_reference_lies_behind_the_front_and_not_behind_all():
    figures = np.array([[0.0, 10.0], [10.0, 0.0], [1e6, 1e6]])
    assert reference_point(figures, (False, False)).tolist() == [11.0, 11.0]


def test_each_group_has_a_front_of_its_feasible_points():
    figures = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]])
    fronts = fronts_of(list("abcd"), ["x", "x", "y", "y"], figures, np.array([False, True, True, True]), (False, False))
    assert [(front.group, front.ids, front.knee) for front in fronts] == [("x", ("b",), "b"), ("y", ("c",), "c")]


def test_a_hundred_thousand_points_take_a_moment():
    figures = np.random.default_rng(0).random((100_000, 4))
    assert front_mask(figures, (False,) * 4).sum() > 100
