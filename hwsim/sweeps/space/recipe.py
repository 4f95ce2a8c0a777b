"""A recipe's settings by name: ``recipe.prune.sparsity`` is the sparsity of its step ``prune``.

A second step of the same kind is ``prune_2``, a third ``prune_3``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.compress.recipe import KINDS, Recipe
from hwsim.errors import InputError
from hwsim.sweeps.space.space import flatten, with_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hwsim.sweeps.space.parameter import Scalar

__all__ = ["check_recipe_name", "recipe_settings", "recipe_with"]

PREFIX = "recipe."


def recipe_settings(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a valid ``recipe`` sets, by dotted name; and what else its steps could set, as None."""
    tree = _labelled(recipe)
    settings = flatten(tree, "recipe")
    for label, kind in _kinds(recipe).items():
        for field in KINDS[kind].model_fields:
            name = f"{PREFIX}{label}.{field}"
            if field != "kind" and not any(known == name or known.startswith(f"{name}.") for known in settings):
                settings[name] = None
    return settings


def recipe_with(recipe: Mapping[str, Any], settings: Mapping[str, Scalar]) -> dict[str, Any]:
    """``recipe`` with settings by dotted name, as YAML would have it.

    Raises:
        InputError: a path through something that has no parts.

    """
    tree = with_settings({"recipe": _labelled(recipe)}, settings)["recipe"]
    kinds = _kinds(recipe)
    plain = {key: value for key, value in tree.items() if key not in kinds}
    return {**plain, "steps": [{kind: tree[label]} for label, kind in kinds.items()]}


def check_recipe_name(recipe: Mapping[str, Any], name: str) -> None:
    """See that ``name`` can be a setting of ``recipe``.

    Raises:
        InputError: it cannot; the message lists what can.

    """
    label, _, rest = name.removeprefix(PREFIX).partition(".")
    kinds = _kinds(recipe)
    known = [*kinds, *(field for field in Recipe.model_fields if field != "steps")]
    if label not in known:
        raise InputError(f"space.{name}: the recipe has no {label}; known: {', '.join(known)}")
    if label not in kinds:
        return
    fields = [field for field in KINDS[kinds[label]].model_fields if field != "kind"]
    if rest.partition(".")[0] not in fields:
        raise InputError(f"space.{name}: not a setting of the step {label}; known: {', '.join(fields)}")


def _labelled(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Steps as parts of the recipe, beside its other settings."""
    tree = {key: value for key, value in recipe.items() if key != "steps"}
    steps = [step if isinstance(step, str) else next(iter(step.values())) for step in recipe["steps"]]
    given = [{} if isinstance(step, str) or step is None else step for step in steps]
    return tree | dict(zip(_kinds(recipe), given, strict=True))


def _kinds(recipe: Mapping[str, Any]) -> dict[str, str]:
    """The kind of each step, by its label, in order."""
    kinds: dict[str, str] = {}
    for step in recipe["steps"]:
        kind = step if isinstance(step, str) else next(iter(step))
        number = 1 + sum(other == kind for other in kinds.values())
        kinds[kind if number == 1 else f"{kind}_{number}"] = kind
    return kinds
