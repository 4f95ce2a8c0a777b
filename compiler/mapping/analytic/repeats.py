"""Loops that repeat: once the machine is as it was some turns before, the rest of a loop is a multiple of them.

The state of the machine is a set of past cycles, and a turn maps it by maxima and additions of constants only. So
turns that do the same, from a state that is an earlier one shifted in time, shift it by as much again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

__all__ = ["FEWEST", "Repeats"]

FEWEST = 5
"""Turns that a loop has for it to be worth while."""
_CLOSELY, _RARELY = 16, 4
"""Turns after which each is looked at, and how often they are later."""


class Repeats:
    """Watches a loop whose turns are of these ``kinds``, equal for equal work."""

    def __init__(self, kinds: Sequence[Hashable]) -> None:
        self._kinds = kinds
        self._seen: dict[Hashable, tuple[int, int, int]] = {}

    def skip(self, turn: int, state: Callable[[], Hashable | None], now: int, mark: int) -> tuple[int, int, int, int]:
        """How many periods can be left out before ``turn``, how many turns one has, its cycles, ``mark`` at its begin.

        ``state`` is relative to cycle ``now``, None if it is not all; ``mark`` is whatever the caller counts.
        """
        kinds = self._kinds
        if len(kinds) - turn < 2 or (turn > _CLOSELY and turn % _RARELY):
            return 0, 0, 0, 0
        found = state()
        if found is None:
            return 0, 0, 0, 0
        before = self._seen.get(found)
        self._seen[found] = turn, now, mark
        if before is None:
            return 0, 0, 0, 0
        first, then, marked = before
        period = turn - first
        alike = turn
        while alike < len(kinds) and kinds[alike] == kinds[alike - period]:
            alike += 1
        return (alike - turn) // period, period, now - then, marked
