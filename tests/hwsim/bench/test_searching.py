"""How much of a front a sampler finds: searches whose figures come from the finished grid."""

from __future__ import annotations

from pathlib import Path

import pytest

import hwsim
from hwsim.bench.searching import coverage
from hwsim.sweeps.results import SweepResult
from hwsim.sweeps.specification.schema import SearchSettings


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    folder: Path = tmp_path_factory.mktemp("grid")
    tree = {
        "name": "grid",
        "models": ["digits-mlp", "gemm-64x64x64"],
        "arch": "dense-8x8",
        "fidelity": "vectorised",
        "space": {"arch.dense.rows": [8, 16], "arch.dense.cols": [8, 16], "arch.dram.beat_interval": [1, 4]},
        "objectives": ["latency_us", "energy_uj", "area_mm2"],
        "recheck": 0,
    }
    return hwsim.sweep(tree, study=folder / "s.db", jobs=0, cache=folder / "cache")


def test_a_search_that_sees_all_points_finds_the_whole_front(grid: SweepResult):
    found = coverage(grid, SearchSettings(sampler="random", trials=60, population=60))
    assert [c.group for c in found] == ["digits-mlp", "gemm-64x64x64"]
    for c in found:
        assert (c.evaluations, c.points, c.effort) == (8, 8, 1.0)
        assert c.share == pytest.approx(1.0)


def test_a_search_that_sees_few_finds_a_part_of_it_and_the_same_again(grid: SweepResult):
    settings = SearchSettings(sampler="nsga2", trials=2, population=2, seed=1)
    few = coverage(grid, settings)
    assert few == coverage(grid, settings)
    for c in few:
        assert 1 <= c.evaluations <= 2
        assert 0 <= c.share < 1
    assert sum(c.share for c in few) > 0
