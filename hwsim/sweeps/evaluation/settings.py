"""What a point's settings stand for: a network, an architecture, a way to map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from hwsim.sweeps.space.recipe import recipe_with
from hwsim.sweeps.space.space import with_settings
from rtl.config import ArchConfig, ConfigError

if TYPE_CHECKING:
    from hwsim.costing import Goal, RowOrder
    from hwsim.sweeps.space.grid import Assignment
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["Settings", "architecture", "settings_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides a point's figures."""

    model: str
    """As the sweep's file names it."""
    located: str
    """A workload's name, or an absolute path."""
    recipe: dict[str, Any] | None
    data: str
    """What recipes score, calibrate and train by: ``digits``, or an absolute path."""
    config: ArchConfig
    mapping: Goal
    rows: RowOrder
    seed: int


def settings_of(specification: Specification, assignment: Assignment) -> Settings:
    """The settings of the point that sets ``assignment``.

    Raises:
        ConfigError: there is no such architecture.

    """
    base = specification.space.base
    chosen = {**base.settings, **assignment}
    model = str(chosen["model"])
    recipe = specification.recipe
    if recipe is not None:
        recipe = recipe_with(recipe, {n: v for n, v in assignment.items() if n.startswith("recipe.")})
    return Settings(
        model=model,
        located=specification.models[model],
        recipe=recipe,
        data=specification.data,
        config=architecture(specification, assignment),
        mapping=cast("Goal", chosen["mapping"]),
        rows=cast("RowOrder", chosen["rows"]),
        seed=int(chosen["seed"]),
    )


def architecture(specification: Specification, assignment: Assignment) -> ArchConfig:
    """The architecture of a point.

    Raises:
        ConfigError: its settings do not go together; the message says which.

    """
    name = str(assignment.get("arch", specification.file.arch))
    fields = {n.removeprefix("arch."): v for n, v in assignment.items() if n.startswith("arch.")}
    try:
        return ArchConfig.model_validate(with_settings(specification.arches[name], fields))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":
            raise ConfigError(first["msg"].removeprefix("Value error, ")) from error
        where = ".".join(map(str, first["loc"])) or name
        raise ConfigError(f"{where}: {first['msg'][0].lower()}{first['msg'][1:]} (got {first['input']!r})") from error
