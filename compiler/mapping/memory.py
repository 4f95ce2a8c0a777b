"""Who lies where on the chip: a ring that works as a cache, and an arena for tensors that stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Arena", "Block", "RingCache"]


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes ``start`` to ``start + size`` of a scratchpad."""

    start: int
    size: int

    @property
    def stop(self) -> int:
        """First byte behind the block."""
        return self.start + self.size

    def overlaps(self, other: Block) -> bool:
        """Whether the two share a byte."""
        return self.start < other.stop and other.start < self.stop


class RingCache:
    """What a scratchpad holds, managed in software: new blocks go round in a ring, over the oldest ones.

    Because the ring moves on, blocks of up to a third of its size (less an alignment), and equal blocks of up to half,
    never land where the one before them lies: double buffering needs no further care. Overwriting what is still to be
    read costs a token, never a wrong result.
    """

    def __init__(self, size: int, align: int) -> None:
        self.size = size
        self._align = align
        self._next = 0
        self._blocks: dict[Hashable, Block] = {}

    def get(self, key: Hashable) -> Block | None:
        """The block of ``key``, if nothing has been put over it."""
        return self._blocks.get(key)

    def put(self, key: Hashable, size: int) -> Block:
        """Room for ``size`` bytes, forgetting whatever lay there. ``size`` must not exceed the scratchpad."""
        assert size <= self.size, f"{size} bytes do not fit {self.size}"
        start = self._next
        if start + size > self.size:
            start = 0
        block = Block(start, size)
        self._blocks = {k: b for k, b in self._blocks.items() if not b.overlaps(block)}
        self._blocks[key] = block
        self._next = -(-block.stop // self._align) * self._align
        return block


@dataclass(slots=True)
class Arena:
    """First-fit allocation with a moving start, so that a block freed is not the next one handed out."""

    size: int
    align: int
    _used: list[Block] = field(default_factory=list)
    _next: int = 0

    def allocate(self, size: int) -> Block | None:
        """A free block of ``size`` bytes, or None."""
        size = -(-size // self.align) * self.align
        gaps = self._gaps()
        for start, stop in [(max(a, self._next), b) for a, b in gaps] + gaps:
            if stop - start >= size:
                block = Block(start, size)
                self._used.append(block)
                self._next = block.stop
                return block
        return None

    def free(self, block: Block) -> None:
        """Give ``block`` back."""
        self._used.remove(block)

    def largest_gap(self) -> int:
        """Bytes of the largest free block."""
        return max((b - a for a, b in self._gaps()), default=0)

    def _gaps(self) -> list[tuple[int, int]]:
        gaps = []
        at = 0
        for block in sorted(self._used, key=lambda b: b.start):
            if block.start > at:
                gaps.append((at, block.start))
            at = max(at, block.stop)
        if at < self.size:
            gaps.append((at, self.size))
        return gaps
