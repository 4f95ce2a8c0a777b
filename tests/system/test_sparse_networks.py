"""Random pruned networks, compiled for accelerators with a sparse engine: no byte, cycle or counter differs.

Interpreter, functional machine, cycle model and RTL are one. The accelerators are those of the random programs beside
this, so that their simulators are built once.
"""

from __future__ import annotations

from collections import Counter

import pytest

from rtl.config import ArchConfig
from tests.system.differential import Trial, run_in_rtl, trials_of
from tests.system.random_sparse import random_sparse_case
from tests.system.test_sparse import QUICK, THOROUGH, sparse_arch

MOST_CYCLES = 20_000


def some_trials(config: ArchConfig, first_seed: int, networks: int) -> list[Trial]:
    """Both programs of so many networks of which ``config`` runs all without the host, some of it sparse.

    Where an engine could be either, it is the cheaper one for one half, and the sparse one for the other.
    """
    found: list[Trial] = []
    for seed in range(first_seed, first_seed + 30 * networks):
        if len(found) >= 2 * networks:
            return found
        case = random_sparse_case(seed, most_macs=8_000)
        trials = trials_of(case, config, engine="sparse" if seed % 2 else "cheapest")
        fits = all(len(t.program.steps) == 1 and t.model.cycles <= MOST_CYCLES for t in trials)
        if fits and any(layer.engine == "sparse" for trial in trials for layer in trial.program.layers):
            found += trials
    raise AssertionError(f"{config.name} takes too few networks to be a test of anything")


def hold_against_rtl(config: ArchConfig, seed: int, networks: int, record_property) -> None:
    trials = some_trials(config, 1000 * seed, networks)
    wrong = [f"{trial}: {fault}" for trial in trials for fault in trial.functional_faults()]
    runs = run_in_rtl(trials)
    wrong += [f"{trial}: {fault}" for trial, run in zip(trials, runs, strict=True) for fault in trial.faults_of(run)]
    engines = Counter(layer.engine for trial in trials for layer in trial.program.layers)
    record_property("summary: pruned networks on a sparse engine", len(trials))
    record_property("summary: RTL cycles", sum(run.cycles for run in runs))
    assert not wrong, "\n".join([f"{config}: {len(wrong)} differences, of which", *wrong[:8]])
    assert engines["sparse"] >= networks
    assert bool(engines["dense"]) == (config.dense_engine is not None)


@pytest.mark.parametrize(("seed", "pes", "hybrid"), QUICK[1:])
def test_pruned_networks_in_rtl(seed, pes, hybrid, record_property):
    hold_against_rtl(sparse_arch(seed, pes=pes, hybrid=hybrid), seed, 8, record_property)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "pes", "hybrid"), THOROUGH)
def test_pruned_networks_in_rtl_on_many_accelerators(seed, pes, hybrid, record_property):
    hold_against_rtl(sparse_arch(seed, pes=pes, hybrid=hybrid), seed, 12, record_property)
