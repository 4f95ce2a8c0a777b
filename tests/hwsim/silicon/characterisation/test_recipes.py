"""Of several ways to synthesise, the one of least energy is taken that is fast enough; the fastest where none is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hwsim.silicon.characterisation.recipes import Trial, candidates, taken
from hwsim.silicon.characterisation.specimen import Measured
from hwsim.silicon.netlist.timing import Timing
from hwsim.silicon.switching.power import Energy
from hwsim.silicon.synthesis.cells import Recipe


def trial(energy_pj: float, path_ps: float | None, *, period_ps: float = 1000) -> Trial:
    timing = None if path_ps is None else Timing(path_ps, 0.0)
    specimen: Any = SimpleNamespace(timing=timing)
    return Trial(Recipe(period_ps=period_ps), specimen, Measured(Energy(logic=energy_pj), None))


@pytest.mark.parametrize(
    ("trials", "best"),
    [
        ([trial(2.0, 900), trial(1.0, 990), trial(3.0, 500)], 1),
        ([trial(2.0, 900), trial(1.0, 1001), trial(3.0, 500)], 0),
        ([trial(1.0, 3000), trial(2.0, 1200)], 1),
        ([trial(2.0, None), trial(1.0, None)], 1),
    ],
    ids=["least energy", "too slow", "none fast enough", "nobody can say"],
)
def test_what_is_taken(trials: list[Trial], best: int) -> None:
    assert taken(trials) is trials[best]


def test_both_multipliers_and_the_clock_gates_are_tried() -> None:
    tried = {(recipe.booth, recipe.clock_gating) for recipe in candidates(500)}
    assert tried == {(True, True), (False, True), (True, False)}
    assert {recipe.period_ps for recipe in candidates(500)} == {500}
