"""Ways to synthesise one module, each measured: the one of least energy that meets the period is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.silicon.characterisation.specimen import Measured, Specimen
from hwsim.silicon.synthesis.cells import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.switching.stimulus import Stimulus

__all__ = ["Trial", "candidates", "taken", "try_recipes"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What one recipe gives."""

    recipe: Recipe
    specimen: Specimen
    measured: Measured

    @property
    def path_ps(self) -> float | None:
        """The longest path, cells alone; None without OpenSTA."""
        return self.specimen.timing.period_ps if self.specimen.timing else None

    @property
    def gates_clocks(self) -> bool:
        """Whether any is; a library may have no cell for it."""
        return any(instance.cell.gates_clock for instance in self.specimen.netlist.instances)

    @property
    def meets_period(self) -> bool:
        """The longest path is no longer than the period; so it is taken to be where nobody can say."""
        return self.path_ps is None or self.path_ps <= self.recipe.period_ps


def candidates(period_ps: float) -> tuple[Recipe, ...]:
    """Both kinds of multiplier; and one without clock gates, for what they save."""
    choices = ((True, True), (False, True), (True, False))
    return tuple(Recipe(period_ps=period_ps, booth=booth, clock_gating=gating) for booth, gating in choices)


def try_recipes(
    recipes: Iterable[Recipe], verilog: str, top: str, technology: Technology, folder: Path, stimulus: Stimulus
) -> tuple[Trial, ...]:
    """Synthesise module ``top`` by each of ``recipes`` and measure it on ``stimulus``. Files go under ``folder``.

    Raises:
        ToolError: Yosys or Icarus is missing.

    """
    trials = []
    for recipe in recipes:
        name = f"{'booth' if recipe.booth else 'array'}-{'gated' if recipe.clock_gating else 'free'}"
        specimen = Specimen(verilog, top, technology, folder / name, recipe)
        trials.append(Trial(recipe, specimen, specimen.measure(stimulus)))
    return tuple(trials)


def taken(trials: Iterable[Trial]) -> Trial:
    """Of least energy among those that meet the period; the fastest where none does."""
    found = list(trials)
    fitting = [trial for trial in found if trial.meets_period]
    if fitting:
        return min(fitting, key=lambda trial: trial.measured.best.total)
    return min(found, key=lambda trial: trial.path_ps or 0.0)
