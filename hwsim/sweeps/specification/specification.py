"""A sweep that stands on its own: its file, and what the names in it stood for when it was read."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from hwsim.errors import InputError
from hwsim.sweeps.constraints.expression import Expression, parse_expression
from hwsim.sweeps.metrics import METRICS, Metric, metric
from hwsim.sweeps.space.parameter import Values, parse_parameter
from hwsim.sweeps.space.recipe import recipe_settings
from hwsim.sweeps.space.space import Base, Space, check_name, flatten, make_space
from hwsim.sweeps.specification.schema import SearchSettings, SweepFile

__all__ = ["Specification", "specification_from_json"]


@dataclass(frozen=True)
class Specification:
    """A checked sweep. Equal ones have equal :meth:`to_json`."""

    file: SweepFile
    arches: dict[str, dict[str, Any]]
    """Every architecture that can be a point's base, by the name that the file gives it: all of its settings."""
    recipe: dict[str, Any] | None
    """The recipe as it was read; None for models as they are."""
    data: str
    """A known data set's name, or a file's absolute path."""
    models: dict[str, str] = field(default_factory=dict)
    """Each model by the name that the file gives it: that of a workload, or a file's absolute path."""

    @cached_property
    def space(self) -> Space:
        """Its parameters over its base."""
        parameters = [parse_parameter(name, given) for name, given in self.file.space.items()]
        models = Values("model", tuple(self.file.models))
        if len(self.file.models) > 1:
            parameters.insert(0, models)
        settings: dict[str, Any] = {
            "model": self.file.models[0],
            "arch": self.file.arch,
            "mapping": self.file.mapping,
            "rows": self.file.rows,
            "seed": self.file.seed,
        }
        if self.recipe is not None:
            settings |= recipe_settings(self.recipe)
        return make_space(
            parameters, Base(settings, {name: flatten(tree, "arch") for name, tree in self.arches.items()})
        )

    @cached_property
    def objectives(self) -> tuple[Metric, ...]:
        """What the front is of."""
        return tuple(metric(name) for name in self.file.objectives)

    @property
    def maximise(self) -> tuple[bool, ...]:
        """Of each objective: more is better."""
        return tuple(objective.maximise for objective in self.objectives)

    @cached_property
    def constraints(self) -> tuple[Expression, ...]:
        """All of them."""
        return tuple(parse_expression(text) for text in self.file.constraints)

    @cached_property
    def on_settings(self) -> tuple[Expression, ...]:
        """Constraints that a point's settings decide."""
        return tuple(c for c in self.constraints if c.names.isdisjoint(METRICS))

    @cached_property
    def on_figures(self) -> tuple[Expression, ...]:
        """Constraints that need a figure."""
        return tuple(c for c in self.constraints if not c.names.isdisjoint(METRICS))

    @cached_property
    def early(self) -> tuple[Expression, ...]:
        """Constraints on figures that are known before anything is mapped or trained."""
        return tuple(c for c in self.on_figures if all(METRICS[n].early for n in c.names & METRICS.keys()))

    def with_search(self, *, trials: int | None = None, seed: int | None = None) -> Specification:
        """The same sweep with another number of trials, or another seed of its sampler.

        Raises:
            InputError: there cannot be so many, or no such seed.

        """
        given = {name: value for name, value in (("trials", trials), ("seed", seed)) if value is not None}
        if not given:
            return self
        try:
            search = SearchSettings.model_validate({**self.file.search.model_dump(), **given})
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"--{first['loc'][0]}: {first['msg'][0].lower()}{first['msg'][1:]}") from error
        return replace(self, file=self.file.model_copy(update={"search": search}))

    def asks_for(self, figure: str) -> bool:
        """Whether an objective or a constraint is on ``figure``."""
        return figure in self.file.objectives or any(figure in c.names for c in self.constraints)

    def check(self) -> None:
        """See that every name is known and every objective a figure.

        Raises:
            InputError: one is not.

        """
        known = self.space.settings() | METRICS.keys()
        for constraint in self.constraints:
            for name in constraint.names:
                check_name(name, known, f"constraints: {constraint.text}")
        if len(set(self.file.objectives)) < len(self.objectives):
            raise InputError("objectives: one is listed twice")
        if len(set(self.file.models)) < len(self.file.models):
            raise InputError("models: one is listed twice")

    def to_json(self) -> str:
        """All of it, as canonical JSON."""
        tree = {
            "file": self.file.model_dump(),
            "arches": self.arches,
            "recipe": self.recipe,
            "data": self.data,
            "models": self.models,
        }
        return json.dumps(tree, sort_keys=True, separators=(",", ":"))


@functools.lru_cache(maxsize=8)
def specification_from_json(text: str) -> Specification:
    """What :meth:`Specification.to_json` wrote."""
    tree = json.loads(text)
    file = SweepFile.model_validate(tree["file"])
    return Specification(file, tree["arches"], tree["recipe"], tree["data"], tree["models"])
