"""A space: its parameters in an order in which each can be decided, over the settings of a base."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError
from hwsim.sweeps.space.parameter import Follows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hwsim.sweeps.space.parameter import Parameter, Scalar

__all__ = ["Base", "Space", "flatten", "make_space", "with_settings"]


@dataclass(frozen=True)
class Base:
    """What holds where a point sets nothing: settings by dotted name."""

    settings: Mapping[str, Any]
    """``model``, ``mapping``, ``rows``, ``seed``, ``arch``, and everything of the recipe as ``recipe.<field>``."""
    arches: Mapping[str, Mapping[str, Any]]
    """By the name of each architecture that can be the base: ``arch.<field>`` and values."""

    def of(self, name: str, arch: str | None) -> Any:
        """The value of ``name`` where the architecture is ``arch``, or the base's own; None if there is none."""
        if name.startswith("arch."):
            return self.arches[arch or self.settings["arch"]].get(name)
        return self.settings.get(name)


@dataclass(frozen=True)
class Space:
    """Parameters, those that others depend on first."""

    parameters: tuple[Parameter, ...]
    base: Base

    def default(self, name: str, arch: str | None) -> Any:
        """What the base says."""
        return self.base.of(name, arch)

    def settings(self) -> frozenset[str]:
        """All names that a condition can be on."""
        return self._settings

    @cached_property
    def _settings(self) -> frozenset[str]:
        arch = {name for fields in self.base.arches.values() for name in fields}
        return frozenset({*self.base.settings, *arch, *(p.name for p in self.parameters)})

    def column(self, assignments: Sequence[Mapping[str, Scalar]], name: str) -> NDArray:
        """``[points]``: the value of ``name`` at each point."""
        values = np.empty(len(assignments), object)
        for index, assignment in enumerate(assignments):
            arch = assignment.get("arch")
            there = name in assignment
            values[index] = assignment[name] if there else self.base.of(name, None if arch is None else str(arch))
        return values

    def effective(self, assignment: Mapping[str, Scalar]) -> dict[str, Any]:
        """Every setting's value at a point."""
        arch = assignment.get("arch", self.base.settings["arch"])
        return {**self.base.settings, **self.base.arches[str(arch)], **assignment}


def make_space(parameters: Sequence[Parameter], base: Base) -> Space:
    """Parameters in order of dependence.

    Raises:
        InputError: a condition on a name that does not exist, or parameters that depend on each other in a circle.

    """
    space = Space(tuple(parameters), base)
    names = {p.name for p in parameters}
    for parameter in parameters:
        for name in _needs(parameter):
            check_name(name, space.settings(), f"space.{parameter.name}")
    ordered: list[Parameter] = []
    placed: set[str] = set()
    waiting = list(parameters)
    while waiting:
        ready = [p for p in waiting if _needs(p) & names <= placed and _after_arch(p, names) <= placed]
        if not ready:
            circle = ", ".join(p.name for p in waiting)
            raise InputError(f"space: the conditions of {circle} depend on each other in a circle")
        ordered.append(ready[0])
        placed.add(ready[0].name)
        waiting.remove(ready[0])
    return Space(tuple(ordered), base)


def check_name(name: str, known: frozenset[str], where: str) -> None:
    """See that ``name`` is one of ``known``.

    Raises:
        InputError: it is not; the message suggests the nearest.

    """
    if name not in known:
        near = difflib.get_close_matches(name, sorted(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"such as {', '.join(sorted(known)[:4])}"
        raise InputError(f"{where}: {name} is not a setting or a figure; {hint}")


def _needs(parameter: Parameter) -> set[str]:
    needs = set(parameter.when.names) if parameter.when is not None else set()
    return needs | (set(parameter.equals.names) if isinstance(parameter, Follows) else set())


def _after_arch(parameter: Parameter, names: set[str]) -> set[str]:
    """``arch`` replaces the base of all others, so it is decided first; then the cheap listed ones as they come."""
    return {"arch"} & names if parameter.name != "arch" else set()


def flatten(tree: Any, prefix: str) -> dict[str, Any]:
    """The leaves of mappings and lists by dotted path; an empty one is a leaf."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    leaves: dict[str, Any] = {}
    for key, value in items:
        leaves |= flatten(value, f"{prefix}.{key}")
    return leaves or {prefix: tree}


def with_settings(tree: Any, settings: Mapping[str, Scalar]) -> Any:
    """A copy of ``tree`` with values at dotted paths; mappings that are missing on the way are made.

    Raises:
        InputError: a path through something that has no parts.

    """
    copy = _copied(tree)
    for path, value in settings.items():
        *groups, last = path.split(".")
        node = copy
        for step in groups:
            part = _part(node, step, path)
            if part is None:
                part = node[step] = {}
            node = part
        _part(node, last, path)
        node[int(last) if isinstance(node, list) else last] = value
    return copy


def _part(node: Any, step: str, path: str) -> Any:
    """What is called ``step`` in a mapping or a list; None where a mapping has no such part yet."""
    if isinstance(node, dict):
        return node.get(step)
    if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
        return node[int(step)]
    raise InputError(f"{path}: there is no {step!r} in {type(node).__name__}")


def _copied(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    return [_copied(value) for value in tree] if isinstance(tree, list) else tree
