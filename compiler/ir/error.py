"""What is wrong with a graph that is not well formed."""

from __future__ import annotations

__all__ = ["IRError"]


class IRError(RuntimeError):
    """A graph that is not well formed. A fault of the compiler: a model's faults are found when it is read."""
