"""Shared weights: code 0 is zero, few values are kept as they are, many are brought together where they lie close."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.shared_table import share
from compiler.errors import ModelError
from rtl.config import SparseConfig

FOUR = SparseConfig(code_bits=4)


def pruned(shape: tuple[int, ...], density: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.where(rng.random(shape) < density, rng.normal(0, 0.1, shape), 0)


def test_zero_is_code_zero_and_nothing_else_is() -> None:
    weights = pruned((40, 50))
    shared = share(weights, FOUR)
    np.testing.assert_array_equal(shared.codes == 0, weights == 0)
    assert shared.values[0] == 0
    assert shared.codes.max() <= 15
    assert len(shared.values) <= 16


@pytest.mark.parametrize("count", [1, 3, 15])
def test_values_that_fit_are_kept(count: int) -> None:
    levels = np.linspace(-0.3, 0.4, count) if count > 1 else np.array([0.25])
    weights = np.where(pruned((30, 30)) != 0, np.random.default_rng(1).choice(levels, (30, 30)), 0.0)
    shared = share(weights, FOUR)
    np.testing.assert_allclose(shared.real, weights, atol=shared.scale / 2 + 1e-12)


def test_integers_use_all_of_their_16_bits() -> None:
    shared = share(pruned((40, 50)), FOUR)
    assert np.abs(shared.values.astype(int)).max() == 32767


def test_a_value_is_the_mean_of_those_that_share_it() -> None:
    weights = pruned((60, 60))
    shared = share(weights, FOUR)
    for code in range(1, len(shared.values)):
        mine = weights[shared.codes == code]
        assert shared.scale * shared.values[code] == pytest.approx(mine.mean(), abs=shared.scale)


def test_error_falls_as_codes_grow_and_beats_equal_steps() -> None:
    weights = pruned((60, 60))
    errors = []
    for bits in (2, 3, 4, 6):
        real = share(weights, SparseConfig(code_bits=bits)).real
        errors.append(np.square(real - weights).mean())
        step = 2 * np.abs(weights).max() / ((1 << bits) - 2)
        uniform = np.square(np.rint(weights / step) * step - weights).mean()
        assert errors[-1] < uniform
    assert errors == sorted(errors, reverse=True)


def test_a_layer_of_zeros_is_all_code_zero() -> None:
    shared = share(np.zeros((3, 4)), FOUR)
    assert not shared.codes.any()
    assert not shared.real.any()


def test_refusals() -> None:
    with pytest.raises(ModelError, match=r"^sparse.weights=int8 has no codebook to share weights by"):
        share(np.ones((2, 2)), SparseConfig(weights="int8", code_bits=8))
    with pytest.raises(ModelError, match=r"^weights to be shared are not finite$"):
        share(np.array([[np.nan]]), FOUR)
