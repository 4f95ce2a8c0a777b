"""Where a sweep is, for whoever watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["NOBODY", "Progress", "Watcher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Of one stage of a sweep."""

    stage: str
    done: int
    total: int
    failed: int
    front: int
    """Points on all fronts so far."""


class Watcher(Protocol):
    """Someone who wants to know."""

    def at(self, progress: Progress) -> None:
        """It is there now."""
        ...


class _Nobody:
    def at(self, progress: Progress) -> None:
        """Nobody watches."""


NOBODY: Watcher = _Nobody()
"""Nobody watches."""
