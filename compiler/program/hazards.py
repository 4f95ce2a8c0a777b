"""Tokens from data hazards: program order says what must happen, this works out who must wait for whom.

The code generator emits instructions in an order in which they could run one at a time, each with the memory ranges
it reads and writes. Instructions of one engine retire in that order by themselves. Between engines, an instruction
waits for the last earlier one of each other engine that conflicts with it (read after write, write after read, write
after write); a token is spent only where an earlier wait does not cover it already. Because every dependence points
backwards in the program, no program made here can deadlock.

A POST that waits for a COMPUTE because of nothing but its sums is chained to it where both allow that
(:mod:`compiler.program.chaining`). Every wait is still for all that COMPUTE did: a chained POST ends after it, so what
waits for the POST, or comes behind it in its queue, comes behind the COMPUTE too.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from compiler.program.chaining import chainable
from rtl.isa import ENGINE_COUNT, Compute, Engine, Instruction

__all__ = ["Memory", "Range", "TokenPlacer"]


class Memory(IntEnum):
    """Where a range lies. The first seven are :class:`rtl.isa.Space`."""

    IFM = 0
    OFM = 1
    WEIGHT = 2
    PARAM = 3
    SPMAT = 4
    POINTER = 5
    CODEBOOK = 6
    ACCUMULATOR = 7
    SUM = 8
    """Sums of the sparse engine."""
    DRAM = 9


class Range(NamedTuple):
    """Bytes ``start`` to ``stop`` (not included) of a memory; accumulators and sums by entry."""

    memory: Memory
    start: int
    stop: int


@dataclass(slots=True)
class _History:
    """Accesses of one kind, by one engine, to one memory: which was the last one, byte by byte.

    Bytes that were last accessed together are one piece, from ``starts[k]`` to ``starts[k + 1]``, where there is a next
    one; ``places[k]`` is where in program order that was, -1 where nobody was. As everything that the instructions of a
    layer access overlaps, looking through the accesses themselves would take quadratic time.
    """

    starts: list[int] = field(default_factory=lambda: [0])
    places: list[int] = field(default_factory=lambda: [-1])
    last: int = -1
    """Place of the last access of all."""

    def last_overlap(self, start: int, stop: int, after: int) -> int:
        """Index of the last access that overlaps, if that is behind ``after``; else ``after``."""
        # Mostly nothing has happened since the last wait.
        if self.last <= after or start >= stop:
            return after
        first, last = bisect_right(self.starts, start) - 1, bisect_left(self.starts, stop)
        return max(after, *self.places[first:last])

    def add(self, start: int, stop: int, index: int) -> None:
        """Access ``index``, which comes behind all that were added before."""
        if start >= stop:
            return
        self.last = index
        starts, places = self.starts, self.places
        first, last = bisect_left(starts, start), bisect_left(starts, stop)
        # The rest of the piece that ``stop`` lies within.
        rest = [] if last < len(starts) and starts[last] == stop else [stop]
        places[first:last] = [index, *(places[last - 1] for _ in rest)]
        starts[first:last] = [start, *rest]


class TokenPlacer:
    """Collects instructions in program order and gives them their ``wait`` and ``signal`` masks.

    ``chaining_rows`` are the rows of an array that chains, 0 of one that does not.
    """

    def __init__(self, chaining_rows: int = 0) -> None:
        self._chaining_rows = chaining_rows
        self._chained: set[int] = set()
        self._instructions: list[Instruction] = []
        self._wait: list[int] = []
        self._signal: list[int] = []
        self._writes = [[_History() for _ in Memory] for _ in range(ENGINE_COUNT)]
        self._reads = [[_History() for _ in Memory] for _ in range(ENGINE_COUNT)]
        # awaited[a][b]: the last instruction of engine a that engine b has waited for.
        self._awaited = [[-1] * ENGINE_COUNT for _ in range(ENGINE_COUNT)]

    def __len__(self) -> int:
        return len(self._instructions)

    def emit(self, instruction: Instruction, reads: tuple[Range, ...] = (), writes: tuple[Range, ...] = ()) -> None:
        """Append ``instruction``, which runs on an engine and touches these ranges."""
        engine = instruction.ENGINE
        assert engine is not None, f"{type(instruction).__name__} runs on no engine"
        index = len(self._instructions)
        self._instructions.append(instruction)
        self._wait.append(0)
        self._signal.append(0)
        for other in range(ENGINE_COUNT):
            if other == engine:
                continue
            needed = awaited = self._awaited[other][engine]
            for r in reads:
                needed = self._writes[other][r.memory].last_overlap(r.start, r.stop, needed)
            for w in writes:
                needed = self._writes[other][w.memory].last_overlap(w.start, w.stop, needed)
                needed = self._reads[other][w.memory].last_overlap(w.start, w.stop, needed)
            if needed > awaited:
                self._awaited[other][engine] = needed
                self._signal[needed] |= 1 << engine
                self._wait[index] |= 1 << other
                if other == Engine.COMPUTE and self._only_sums(needed, reads, writes):
                    self._chain(needed, index)
        for r in reads:
            self._reads[engine][r.memory].add(r.start, r.stop, index)
        for w in writes:
            self._writes[engine][w.memory].add(w.start, w.stop, index)

    def finish(self) -> list[Instruction]:
        """The instructions with their tokens."""
        out = []
        for index, instruction in enumerate(self._instructions):
            wait, signal = self._wait[index], self._signal[index]
            if index in self._chained:
                assert isinstance(instruction, Compute)
                out.append(dataclasses.replace(instruction, wait=wait, signal=signal, chain=1))
            else:
                out.append(
                    dataclasses.replace(instruction, wait=wait, signal=signal) if wait or signal else instruction
                )
        return out

    def _chain(self, compute: int, post: int) -> None:
        if chainable(self._instructions[compute], self._instructions[post], self._chaining_rows):
            self._chained.add(compute)

    def _only_sums(self, compute: int, reads: tuple[Range, ...], writes: tuple[Range, ...]) -> bool:
        """Whether COMPUTE ``compute`` and what has these ranges meet in the accumulators alone, which it reads."""
        mine, its = self._writes[Engine.COMPUTE], self._reads[Engine.COMPUTE]
        before = compute - 1
        others = [mine[r.memory].last_overlap(r.start, r.stop, before) for r in reads if r.memory != Memory.ACCUMULATOR]
        for w in writes:
            others.append(mine[w.memory].last_overlap(w.start, w.stop, before))
            others.append(its[w.memory].last_overlap(w.start, w.stop, before))
        return max(others, default=before) == before
