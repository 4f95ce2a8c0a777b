"""Malformed SPARSE and SPARSE_POST raise the fault flag and stop, in RTL: as :mod:`tests.system.test_faults` has it."""

from __future__ import annotations

import pytest

from tests.system.differential import Trial, trials_of
from tests.system.mistakes import SPARSE_VICTIM, sparse_mistakes
from tests.system.random_sparse import random_sparse_case
from tests.system.test_faults import Victim

pytestmark = pytest.mark.xdist_group("sparse-faults")

MISTAKES = sparse_mistakes(SPARSE_VICTIM)
NAMES = list(MISTAKES)
every_mistake = pytest.mark.parametrize("name", NAMES)


def right_trial() -> Trial:
    """A short program of two layers or more, which the engine runs alone."""
    for seed in range(400):
        trials = trials_of(random_sparse_case(seed, most_macs=2000), SPARSE_VICTIM)
        program = trials[0].program if trials else None
        if program and len(program.steps) == 1 and len(program.layers) > 1 and trials[0].model.cycles < 3000:
            return trials[0]
    raise AssertionError("no short program")


@pytest.fixture(scope="module")
def victim() -> Victim:
    return Victim(SPARSE_VICTIM, list(MISTAKES.values()), right=right_trial())


@every_mistake
def test_a_mistake_stops_the_run_and_is_reported(victim: Victim, name: str) -> None:
    mistake, run = victim.wrong(NAMES.index(name))
    found = run.done, run.fault.name, run.fault_unit, run.fault_layer
    assert found == (False, mistake.fault.name, mistake.unit, mistake.layer)


@every_mistake
def test_a_mistake_writes_nothing(victim: Victim, name: str) -> None:
    assert victim.written_by(NAMES.index(name)) == []


@every_mistake
def test_after_a_mistake_a_right_program_runs_as_ever(victim: Victim, name: str) -> None:
    assert victim.right_after(NAMES.index(name)) == []


def test_before_any_mistake_it_runs_so_too(victim: Victim) -> None:
    assert victim.right_after(-1) == []
