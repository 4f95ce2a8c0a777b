"""Methods by name, each with the paper that it comes from."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from compiler.errors import ModelError

__all__ = ["Entry", "Registry"]

Method = TypeVar("Method")
Registered = TypeVar("Registered")


@dataclass(frozen=True, slots=True)
class Entry(Generic[Method]):
    """A method under its name. ``paper`` is a citation on one line."""

    name: str
    paper: str
    method: Method

    @property
    def summary(self) -> str:
        """The first paragraph of the method's docstring, on one line."""
        text = inspect.cleandoc(self.method.__doc__ or "")
        return " ".join(text.split("\n\n")[0].split())


class Registry(Generic[Method]):
    """What is registered of one ``kind`` ("score", "quantiser" …)."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[Method]] = {}
        self._refused: dict[str, str] = {}

    def refuse(self, name: str, reason: str) -> None:
        """Let who asks for ``name`` know why there is no such method, and what to do instead."""
        self._refused[name] = reason

    def register(self, name: str, *, paper: str) -> Callable[[Registered], Registered]:
        """A decorator that registers a class or function.

        Raises:
            ValueError: if the name is taken.

        """

        def add(method: Registered) -> Registered:
            if name in self._entries:
                raise ValueError(f"there are two of {self.kind} {name!r}")
            self._entries[name] = Entry(name, paper, method)  # pyright: ignore[reportArgumentType]
            return method

        return add

    def __getitem__(self, name: str) -> Method:
        """The method of that name.

        Raises:
            ModelError: there is none; the message lists those that there are.

        """
        return self.entry(name).method

    def entry(self, name: str) -> Entry[Method]:
        """The entry of that name, or the error of ``__getitem__``."""
        if name in self._refused:
            raise ModelError(f"{self.kind} {name!r}: {self._refused[name]}")
        if name not in self._entries:
            near = difflib.get_close_matches(name, list(self._entries), n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ModelError(f"there is no {self.kind} {name!r}; {hint}known: {', '.join(self.names())}")
        return self._entries[name]

    def name_of(self, method: object) -> str:
        """Under which name the class of ``method`` is registered; the class' own name if it is not."""
        kind = type(method)
        return next((e.name for e in self._entries.values() if e.method is kind), kind.__name__)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def __iter__(self) -> Iterator[Entry[Method]]:
        return iter(self._entries[name] for name in self.names())
