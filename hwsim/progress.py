"""How long work says where it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol

__all__ = ["SILENT", "Reporter"]


class Reporter(Protocol):
    """Someone who wants to know. Calls may come from any thread."""

    def stage(self, what: str, total: int | None = None) -> None:
        """A new stage began: ``what`` is done now. ``total`` is its length, if known, in whatever :meth:`at` counts."""
        ...

    def at(self, done: int) -> None:
        """So much of the stage is done."""
        ...


class _Silent:
    def stage(self, what: str, total: int | None = None) -> None:
        """Nobody listens."""

    def at(self, done: int) -> None:
        """Nobody listens."""


SILENT: Reporter = _Silent()
"""Nobody listens."""
