"""Seeded bugs: a class as it would be with one line of its source written wrong."""

import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

__all__ = ["Bug", "mutant"]

T = TypeVar("T")


@dataclass(frozen=True)
class Bug:
    """``right`` is in the source; with ``wrong`` in its place, one of the properties ``caught_by`` fails."""

    name: str
    right: str
    wrong: str
    caught_by: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def mutant(original: type[T], bug: Bug) -> type[T]:
    """The class ``original`` of a module that is the same but for ``bug``.

    Raises:
        LookupError: the line is not, or not once, in the source of the class: the bug must be seeded anew.

    """
    module = sys.modules[original.__module__]
    body = inspect.getsource(original)
    if (found := body.count(bug.right)) != 1:
        raise LookupError(f"{original.__name__} has {bug.right!r} {found} times, not once (seed {bug.name!r} anew)")
    text = inspect.getsource(module).replace(body, body.replace(bug.right, bug.wrong))
    copy = ModuleType(module.__name__)
    copy.__package__ = module.__package__
    exec(compile(text, f"{module.__file__} with {bug.name}", "exec"), copy.__dict__)
    return getattr(copy, original.__name__)
