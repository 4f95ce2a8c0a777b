"""Load balance: a permutation always, never worse than interleaving, and close to even where that is possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import ModelError
from compiler.sparse.balance import balance, work
from compiler.sparse.csc import counts
from compiler.sparse.exchange import exchange, longest_first
from rtl.config import SparseConfig

EIGHT = SparseConfig(pes=8)


def uneven_rows(rows: int, columns: int, spread: float, seed: int = 1) -> np.ndarray:
    """Rows of log-normal density about 10 %, as magnitude pruning of a whole layer leaves them."""
    rng = np.random.default_rng(seed)
    density = np.minimum(0.9, 0.1 * np.exp(rng.normal(0, spread, rows)))
    return rng.random((rows, columns)) < density[:, None]


def unevenness(nonzero: np.ndarray, sparse: SparseConfig) -> float:
    """Work of the PE that has most over the mean."""
    loads = work(nonzero, sparse, np.ones(nonzero.shape[1]))
    return loads.max() / loads.mean()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 30), st.sampled_from([1, 2, 8, 64]), st.floats(0, 1), st.integers(0, 99))
def test_any_matrix_gets_a_permutation_that_is_no_worse(
    rows: int, columns: int, pes: int, density: float, seed: int
) -> None:
    sparse = SparseConfig(pes=pes, lanes=1, index_bits=2)
    rng = np.random.default_rng(seed)
    nonzero = rng.random((rows, columns)) < density
    activity = rng.integers(0, 3, columns) / 2
    order = balance(nonzero, sparse, activity)
    assert sorted(order) == list(range(rows))
    assert work(nonzero[order], sparse, activity).max() <= work(nonzero, sparse, activity).max()


class TestRowsOfDifferentDensity:
    @pytest.mark.parametrize("spread", [0.3, 1.0])
    def test_are_evened_out(self, spread: float) -> None:
        nonzero = uneven_rows(640, 400, spread)
        order = balance(nonzero, EIGHT)
        assert unevenness(nonzero, EIGHT) > 1.05
        assert unevenness(nonzero[order], EIGHT) < 1.012

    def test_that_come_sorted_are_evened_out(self) -> None:
        nonzero = np.array(sorted(uneven_rows(640, 400, 1.0), key=np.sum))
        assert unevenness(nonzero[balance(nonzero, EIGHT)], EIGHT) < 1.012

    def test_take_less_padding(self) -> None:
        nonzero = uneven_rows(640, 400, 1.0) & (np.random.default_rng(2).random((640, 400)) < 0.4)
        before, after = (counts(m, EIGHT).sum() - nonzero.sum() for m in (nonzero, nonzero[balance(nonzero, EIGHT)]))
        assert after < 0.8 * before

    def test_bursts_of_one_element_are_spread(self) -> None:
        """All rows have the same work in all, but half of them have it in the first columns and half in the last."""
        half = np.random.default_rng(5).random((64, 256)) < 0.3
        early = np.arange(64) % 8 < 4
        nonzero = half & (early[:, None] == (np.arange(256) < 128))
        ahead = counts(nonzero, EIGHT)[:128].sum(axis=0)
        assert ahead.max() > 1.9 * ahead.mean()
        ahead = counts(nonzero[balance(nonzero, EIGHT)], EIGHT)[:128].sum(axis=0)
        assert ahead.max() < 1.05 * ahead.mean()


def test_only_columns_that_are_active_count() -> None:
    nonzero = np.concatenate([uneven_rows(160, 100, 1.0, seed=3), uneven_rows(160, 100, 1.0, seed=4)], axis=1)
    activity = np.repeat([0.0, 1.0], 100)
    order = balance(nonzero, EIGHT, activity)
    loads = work(nonzero[order], EIGHT, activity)
    assert loads.max() < 1.02 * loads.mean()
    ignored = work(nonzero[order], EIGHT, 1 - activity)
    assert ignored.max() > 1.1 * ignored.mean()


def test_is_the_same_each_time() -> None:
    nonzero = uneven_rows(320, 100, 1.0)
    np.testing.assert_array_equal(balance(nonzero, EIGHT), balance(nonzero, EIGHT))


def test_refuses_the_activity_of_another_matrix() -> None:
    with pytest.raises(ModelError, match=r"^the activity of 3 inputs is given for a matrix of 4 columns$"):
        balance(np.ones((9, 4), bool), EIGHT, np.ones(3))


class TestExchange:
    @pytest.mark.parametrize(("items", "groups"), [(1, 1), (3, 8), (17, 4), (64, 8), (45, 7)])
    def test_groups_have_the_sizes_of_interleaving_and_every_item_once(self, items: int, groups: int) -> None:
        vectors = np.random.default_rng(0).standard_normal((items, 3)).astype(np.float32)
        members = longest_first(vectors[:, 0] + 5, groups)
        sums = np.where(members[:, :, None] < 0, 0, vectors[members]).sum(axis=1)
        for found in (members, exchange(members, vectors, sums, sweeps=3)):
            assert [np.count_nonzero(m >= 0) for m in found] == [len(range(g, items, groups)) for g in range(groups)]
            assert sorted(found[found >= 0]) == list(range(items))

    def test_evens_out_every_dimension(self) -> None:
        vectors = np.random.default_rng(0).standard_normal((512, 8)).astype(np.float32)
        members = longest_first(vectors[:, 0], 8)
        after = exchange(members, vectors, vectors[members].sum(axis=1), sweeps=10)
        before, now = (vectors[m].sum(axis=1).var(axis=0).sum() for m in (members, after))
        assert now < before / 50

    def test_makes_up_for_what_the_sums_bear_besides(self) -> None:
        vectors = np.random.default_rng(1).standard_normal((256, 2)).astype(np.float32)
        members = longest_first(vectors[:, 0], 4)
        burden = np.array([[9, 0], [0, 9], [-9, 0], [0, -9]], np.float32)
        after = exchange(members, vectors, vectors[members].sum(axis=1) + burden, sweeps=10)
        total = vectors[after].sum(axis=1) + burden
        assert np.abs(total - total.mean(axis=0)).max() < 1
