"""A scratchpad that is given out in a ring, and until when what lies there is read."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Ring", "Use"]


@dataclass(slots=True)
class Use:
    """A block of a ring: where it is, in which round of it, when it is there and when it was last read."""

    lap: int
    start: int
    stop: int
    loaded: int = 0
    read: int = 0


class Ring:
    """As :class:`compiler.mapping.memory.Ring`, with the readers of its blocks."""

    def __init__(self, size: int, align: int) -> None:
        self._size = size
        self._align = align
        self._next = 0
        self._lap = 0
        self._last = self._alike = 0  # the size of the last block, and how many before it have it too
        self.uses: deque[Use] = deque()
        """Oldest first."""

    def reserve(self, size: int) -> None:
        """Begin a new round unless ``size`` bytes fit this one: what comes stays together."""
        if self._next + size > self._size:
            self._next = 0
            self._lap += 1

    def put(self, size: int) -> tuple[Use, int]:
        """A new block, and the last cycle in which one that it lies over is read."""
        start = self._next
        if start + size > self._size:
            start = 0
            self._lap += 1
        stop = start + size
        self._alike = self._alike + 1 if size == self._last else 0
        self._last = size
        self._next = start + -(-size // self._align) * self._align
        # The oldest blocks of the round before; what is left of earlier ones has long been overtaken.
        lap, uses, until = self._lap - 1, self.uses, 0
        while uses and (uses[0].lap < lap or (uses[0].lap == lap and uses[0].start < stop)):
            until = max(until, uses.popleft().read)
        use = Use(self._lap, start, stop)
        uses.append(use)
        return use, until

    def copy(self) -> Ring:
        """Another one in the same state, with uses of its own."""
        other = Ring(self._size, self._align)
        other._next, other._lap, other._last, other._alike = self._next, self._lap, self._last, self._alike
        other.uses = deque(Use(u.lap, u.start, u.stop, u.loaded, u.read) for u in self.uses)
        return other

    def recent(self, now: int) -> tuple[int, ...]:
        """When blocks are read for the last time, relative to ``now``: the newest first, as far as that is to come.

        Before them where the next one will be, unless all blocks are of one size, and so in the same case.
        """
        found = [self._next if self._alike < len(self.uses) - 1 else 0]
        for use in reversed(self.uses):
            if use.read <= now + 1:
                break
            found.append(use.read - now)
        return tuple(found)

    def shift(self, cycles: int) -> None:
        """Move all cycles."""
        for use in self.uses:
            use.loaded += cycles
            use.read += cycles
