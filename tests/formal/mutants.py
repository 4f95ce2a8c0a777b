"""Seeded bugs: the design as it would be with one line of its source written wrong."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

__all__ = ["Bug", "mutant", "quick_first", "seed"]


@dataclass(frozen=True)
class Bug:
    """``right`` is in the source of ``of``; with ``wrong`` in its place, one of the properties ``caught_by`` fails."""

    name: str
    of: Callable[..., Any]
    right: str
    wrong: str
    caught_by: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def mutant(bug: Bug) -> Callable[..., Any]:
    """The class or function ``bug.of`` with the bug in it, of a module that is the same otherwise.

    Raises:
        LookupError: the line is not, or not once, in the source: the bug must be seeded anew.

    """
    name, module = bug.of.__name__, sys.modules[bug.of.__module__]
    body = inspect.getsource(bug.of)
    if (found := body.count(bug.right)) != 1:
        raise LookupError(f"{name} has {bug.right!r} {found} times, not once (seed {bug.name!r} anew)")
    text = inspect.getsource(module).replace(body, body.replace(bug.right, bug.wrong))
    copy = ModuleType(module.__name__)
    copy.__package__ = module.__package__
    exec(compile(text, f"{module.__file__} with {bug.name}", "exec"), copy.__dict__)
    return getattr(copy, name)


def seed(patch: pytest.MonkeyPatch, bug: Bug, user: ModuleType) -> None:
    """Put the mutant in the place of ``bug.of`` wherever the hardware, or the module ``user``, names it."""
    wrong = mutant(bug)
    hardware = [module for path, module in sys.modules.items() if path.startswith("rtl.")]
    for module in (*hardware, user):
        for name in [name for name, value in vars(module).items() if value is bug.of]:
            patch.setattr(module, name, wrong)


def quick_first(bugs: list[Bug]) -> list[Any]:
    """Parameters of a test: the first bug in every run, the others with the slow tests."""
    return bugs[:1] + [pytest.param(bug, marks=pytest.mark.slow) for bug in bugs[1:]]
