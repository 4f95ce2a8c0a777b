"""Whatever the mapper chooses, for whatever objective: RTL, models and interpreter are one.

The networks are those of a few seeds, found to have every choice between them, which the tests hold them to.
"""

from __future__ import annotations

from collections import Counter

import pytest

from compiler.mapping.plan import Plan
from compiler.mapping.planner import plan_graph
from hwsim.api import Goal, mapper_objective
from rtl.config import ArchConfig
from tests.system.choices import CHOICES, choices_of
from tests.system.differential import Trial, run_in_rtl, trials_of
from tests.system.random_layers import random_case
from tests.system.test_differential import QUICK, Arch, arch_name, arch_of

GOALS: tuple[Goal, ...] = ("cycles", "energy", "edp")
SEEDS: dict[Arch, tuple[tuple[int, ...], frozenset[str]]] = {
    QUICK[1]: ((0, 5, 8, 23, 160, 886), CHOICES),
    QUICK[3]: ((2, 8, 23, 47, 54, 156, 160, 886), CHOICES | {"parameters loaded again"}),
}
"""By accelerator, weight- and output-stationary: seeds of networks, and what is chosen for them."""


def chosen(trials: list[Trial], config: ArchConfig) -> Counter[str]:
    """How often each choice occurs."""
    plans = (plan for trial in trials for plan in trial.plans)
    return Counter(choice for plan in plans if isinstance(plan, Plan) for choice in choices_of(plan, config))


@pytest.mark.parametrize("arch", SEEDS, ids=arch_name)
def test_every_choice_for_every_objective_in_rtl(arch, record_property):
    (seeds, expected), config = SEEDS[arch], arch_of(arch)
    trials: list[Trial] = []
    for goal in GOALS:
        found = [
            t
            for s in seeds
            for t in trials_of(random_case(s, most_macs=20_000), config, mapper_objective(goal, config))
        ]
        missing = expected - set(chosen(found, config))
        assert not missing, f"never chosen for {goal}: {', '.join(sorted(missing))}"
        trials += found
    wrong = [f"{t}: {fault}" for t, run in zip(trials, run_in_rtl(trials), strict=True) for fault in t.faults_of(run)]
    record_property("summary: programs", len(trials))
    assert not wrong, "\n".join([f"{len(wrong)} differences, of which", *wrong[:5]])


def test_the_objective_makes_a_difference():
    """Else the one above would hold the same programs against the RTL three times."""
    config = arch_of(QUICK[1])
    case = random_case(1, most_macs=20_000)
    cycles, energy, edp = (
        [plan.tile for plan in plan_graph(case.graph, config, mapper_objective(goal, config)) if isinstance(plan, Plan)]
        for goal in GOALS
    )
    assert cycles != energy
    assert cycles != edp
