"""What a sweep at ``fidelity: vectorised`` can be about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from hwsim.sweeps.space.parameter import Values

if TYPE_CHECKING:
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["check_vectorised"]

_ELSE = "or fidelity: analytic"


def check_vectorised(specification: Specification) -> None:
    """See that the vectorised model can evaluate the points of a sweep.

    Raises:
        InputError: a sparse engine, another goal of the mapper than cycles, or a recipe that asks the architecture.

    """
    where, dense = "fidelity: the vectorised model", "is for the dense engine alone"
    for name, tree in specification.arches.items():
        if tree.get("sparse") is not None:
            raise InputError(f"{where} {dense}, and {name} has a sparse one; set it to null, {_ELSE}")
    for parameter in specification.space.parameters:
        if parameter.name.startswith("arch.sparse"):
            raise InputError(f"{where} {dense}, without {parameter.name}; leave that out, {_ELSE}")
    if specification.file.mapping != "cycles" or "mapping" in {p.name for p in specification.space.parameters}:
        raise InputError(f"{where} maps for cycles only; leave mapping out, {_ELSE}")
    if "energy" in _scores(specification):
        raise InputError(f"{where} has no single architecture that a score by energy could ask; another score, {_ELSE}")


def _scores(specification: Specification) -> set[Any]:
    """All that the recipe's weights may be scored by."""
    found: set[Any] = set()
    for step in (specification.recipe or {}).get("steps", []):
        settings = next(iter(step.values())) if isinstance(step, dict) else None
        score = settings.get("score") if isinstance(settings, dict) else None
        found.add(score.get("name") if isinstance(score, dict) else score)
    for parameter in specification.space.parameters:
        if parameter.name.startswith("recipe.") and isinstance(parameter, Values):
            found |= {value for value in parameter.values if isinstance(value, str)}
    return found
