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
        self._uses: deque[Use] = deque()
        """Oldest first."""

    def reserve(self, size: int) -> None:
        """Begin a new round unless ``size`` bytes fit this one: what comes stays together."""
        if self._next + size > self._size:
            self._next = 0
            self._lap += 1

    def put(self, size: int) -> tuple[Use, int]:
        """A new block, and the last cycle in which one that it lies over is read."""
        start = self._next
        stop = start + size
        if stop > self._size:
            start, stop = 0, size
            self._lap += 1
        self._next = start + -(-size // self._align) * self._align
        # The oldest blocks of the round before; what is left of earlier ones has long been overtaken.
        lap, uses, until = self._lap - 1, self._uses, 0
        while uses:
            oldest = uses[0]
            if oldest.lap > lap or (oldest.lap == lap and oldest.start >= stop):
                break
            uses.popleft()
            if oldest.read > until:
                until = oldest.read
        use = Use(self._lap, start, stop)
        uses.append(use)
        return use, until

    def split(self, use: Use, sizes: list[int]) -> list[Use]:
        """Exchange the newest block for its parts, which are read one by one."""
        self._uses.pop()
        parts, start = [], use.start
        for size in sizes:
            parts.append(Use(use.lap, start, start + size, use.loaded))
            start += size
        self._uses += parts
        return parts

    def copy(self) -> Ring:
        """Another one in the same state, with uses of its own."""
        other = Ring(self._size, self._align)
        other._next, other._lap = self._next, self._lap
        other._uses = deque([Use(u.lap, u.start, u.stop, u.loaded, u.read) for u in self._uses])
        return other

    def same(self, use: Use, other: Ring) -> Use:
        """The block of this ring that is ``use`` in ``other``, of which this one is a copy."""
        for ours, theirs in zip(self._uses, other._uses, strict=True):
            if theirs is use:
                return ours
        return Use(use.lap, use.start, use.stop, use.loaded, use.read)
