"""Who lies where on the chip: a ring for what passes through, and an arena for tensors that stay."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Arena", "Block", "Ring"]


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


class Ring:
    """A part of a scratchpad that is given out in a ring: new blocks lie over the oldest ones.

    Because the ring moves on, blocks of up to a third of its size (less an alignment), and equal blocks of up to half,
    never land where the one before them lies: double buffering needs no further care. Overwriting what is still to be
    read costs a token, never a wrong result.
    """

    def __init__(self, size: int, align: int, start: int = 0) -> None:
        self.size = size
        self._align = align
        self._start = start
        self._next = start

    def put(self, size: int) -> Block:
        """Room for ``size`` bytes. ``size`` must not exceed the ring."""
        assert size <= self.size, f"{size} bytes do not fit {self.size}"
        start = self._next
        if start + size > self._start + self.size:
            start = self._start
        self._next = start + -(-size // self._align) * self._align
        return Block(start, size)


@dataclass(slots=True)
class Arena:
    """Room for blocks that stay: best fit, from both ends.

    A chain of tensors, each made while the one before it is still read, thus lies at one end and the other by turns,
    with what is free in one piece between them.
    """

    size: int
    align: int
    _used: list[Block] = field(default_factory=list)

    def allocate(self, size: int) -> Block | None:
        """A free block of ``size`` bytes, or None."""
        size = -(-size // self.align) * self.align
        gaps = [(start, stop) for start, stop in self._gaps() if stop - start >= size]
        if not gaps:
            return None
        start, stop = min(gaps, key=lambda gap: gap[1] - gap[0])
        at_the_end = start > 0 and stop == self.size
        block = Block((stop - size) // self.align * self.align if at_the_end else start, size)
        self._used.append(block)
        return block

    def free(self, block: Block) -> None:
        """Give ``block`` back."""
        self._used.remove(block)

    def largest_gap(self) -> int:
        """Bytes of the largest free block."""
        start, stop = self.largest_free()
        return stop - start

    def largest_free(self) -> tuple[int, int]:
        """First byte of the largest free block, and the one behind its last."""
        return max(self._gaps(), key=lambda gap: gap[1] - gap[0], default=(0, 0))

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
