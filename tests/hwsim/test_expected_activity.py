"""What a few samples say of how often an input is not zero: much where inputs differ, nothing where that is chance."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.activity import expected_activity


def test_inputs_that_differ_by_chance_only_are_all_alike() -> None:
    active = np.random.default_rng(0).random((3, 4096)) < 0.4
    expected = expected_activity(active)
    assert np.ptp(active.mean(axis=0)) == 1
    assert np.ptp(expected) < 0.1
    assert expected.mean() == pytest.approx(active.mean(), abs=1e-6)


def test_inputs_that_do_differ_are_told_apart_better_than_by_their_share() -> None:
    rng = np.random.default_rng(1)
    truth = rng.beta(1.5, 2.5, 4096)
    active = rng.random((3, 4096)) < truth
    expected, share = expected_activity(active), active.mean(axis=0)
    assert np.square(expected - truth).mean() < 0.6 * np.square(share - truth).mean()
    assert np.corrcoef(expected, share)[0, 1] == pytest.approx(1)


def test_inputs_that_are_always_or_never_zero_are_believed() -> None:
    active = np.tile(np.arange(512) % 2 == 0, (3, 1))
    np.testing.assert_allclose(expected_activity(active), active[0], atol=1e-6)


@pytest.mark.parametrize("value", [False, True])
def test_all_alike_are_all_alike(value: bool) -> None:
    np.testing.assert_array_equal(expected_activity(np.full((3, 7), value)), np.float32(value))


def test_a_single_sample_tells_the_density_only() -> None:
    np.testing.assert_allclose(expected_activity(np.array([[True, False, False, False]])), 0.25)
