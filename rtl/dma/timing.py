"""The exact cycles of the load and store engines, without their gateware.

Each object follows one engine and its own port of the deterministic DRAM (``hwsim/simulation/dram.v``) through a
program: :meth:`issue` the instructions in order, at cycles not before :meth:`ready`. Cycles count from any origin.

The DRAM presents the first beat of a read burst ``latency`` cycles after its address was taken, but no sooner than
``interval`` cycles after the beat before was taken, and the other beats every ``interval`` cycles. It takes a write
beat every ``interval`` cycles, and responds ``latency`` cycles after the last beat of a burst.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from rtl.dma.traffic import Traffic, burst_beats, traffic
from rtl.isa import Fill, Load, Space, Store

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["WRITE_QUEUE", "LoadTiming", "StoreTiming"]

_SPAD_LATENCY = 2
"""Cycles from an address to its bytes: :data:`rtl.scratchpad.READ_LATENCY`, which only gateware may import."""
_QUEUED = 1
"""Cycles that a beat spends in an empty queue."""
_ADDRESS = 1
"""Cycles from choosing a burst to its address on the bus."""
_CREDIT = 1
"""Cycles from the end of a burst, or of a beat, to the choice of the one that takes its place."""
_REST = 3
"""Cycles from the last choice of an instruction to the next ``ready``: keeps commits four cycles apart."""
_RETIRE = 1
"""Cycles from the last beat, or the last response, to the retirement."""

WRITE_QUEUE = _SPAD_LATENCY + _QUEUED + _CREDIT
"""Beats of the store engine's queue: the fewest that keep one beat a cycle going."""

_NEVER = -(1 << 60)
_LONG_ROW = 8
"""Longest bursts in a row that is treated as a repetition of its own."""


class _Bursts(ABC):
    """Bursts in order, fast where they repeat.

    The state of an engine is a set of past cycles, and a burst maps it by maxima and additions of constants only. So
    once the state after a stretch is the state before, shifted, the same stretch again shifts it by as much again.
    """

    def __init__(self, config: ArchConfig) -> None:
        self._config = config
        self._beat = config.bus.data_bytes
        self._longest = config.bus.burst_beats
        self._outstanding = config.bus.outstanding
        self._latency = config.dram.latency_cycles
        self._interval = config.dram.beat_interval

    @abstractmethod
    def _run(self, bursts: tuple[int, ...]) -> None:
        """Advance by bursts of so many beats."""

    @abstractmethod
    def _state(self) -> tuple[int, tuple[int, ...]]:
        """A cycle of the state, and all that decide what comes, relative to it."""

    @abstractmethod
    def _shift(self, cycles: int) -> None:
        """Move the whole state."""

    def _rows(self, instruction: Load | Store) -> None:
        """Advance by the bursts of an instruction."""
        beat, longest, rows, row_bytes = self._beat, self._longest, instruction.rows, instruction.row_bytes
        block = beat * longest
        offset, stride = instruction.dram % block, instruction.dram_stride % block
        if row_bytes > _LONG_ROW * block:
            for row in range(rows):
                self._long_row((offset + row * stride) % block, row_bytes)
            return
        period = block // math.gcd(block, stride)
        times, rest = divmod(rows, period)
        if times:
            self._repeat(burst_beats(beat, longest, offset, stride, period, row_bytes), times)
        if rest:
            self._run(burst_beats(beat, longest, offset, stride, rest, row_bytes))

    def _long_row(self, offset: int, row_bytes: int) -> None:
        block = self._beat * self._longest
        full, tail = divmod(offset + row_bytes - block, block)
        self._run(burst_beats(self._beat, self._longest, offset, 0, 1, block - offset))
        self._repeat((self._longest,), full)
        if tail:
            self._run(burst_beats(self._beat, self._longest, 0, 0, 1, tail))

    def _repeat(self, bursts: tuple[int, ...], count: int) -> None:
        """Advance by ``bursts``, ``count`` times."""
        # No state can be like one before it that not all of its bursts have seen.
        stretch = -(-self._outstanding // len(bursts))
        left, rest = divmod(count, stretch)
        if left > 2:
            left = self._until_periodic(bursts * stretch, left)
        self._run(bursts * (stretch * left + rest))

    def _until_periodic(self, bursts: tuple[int, ...], left: int) -> int:
        """Advance by ``bursts``, up to ``left`` times, by a leap once they repeat; returns how often is left to do."""
        # Brent's search for a cycle: compare with a state that is saved ever more rarely.
        saved_clock, saved = self._state()
        steps, patience = 0, 1
        while left:
            self._run(bursts)
            left -= 1
            steps += 1
            clock, state = self._state()
            if state == saved:
                self._shift(left // steps * (clock - saved_clock))
                return left % steps
            if steps == patience:
                saved_clock, saved = clock, state
                steps, patience = 0, patience * 2
        return 0


class LoadTiming(_Bursts):
    """The load engine (:class:`rtl.dma.load.LoadEngine`).

    ::

        burst i      chosen c(i) = max(c(i-1) + 1, end(i - outstanding) + 1, issue + 1)
                     first(i)    = max(c(i) + 1 + latency, end(i-1) + interval)
                     end(i)      = first(i) + (beats(i) - 1) * interval
        instruction  ready again three cycles after its last burst was chosen; retires one after its last beat
    """

    def __init__(self, config: ArchConfig) -> None:
        super().__init__(config)
        self._chosen = _NEVER
        self._end = _NEVER
        self._ends = deque([_NEVER] * config.bus.outstanding, config.bus.outstanding)
        self._landed = _NEVER
        self._tickets = deque([_NEVER] * config.bus.outstanding, config.bus.outstanding)
        self._ready = 0

    def ready(self) -> int:
        """Earliest cycle in which the next instruction can be issued."""
        return max(self._ready, self._tickets[0] + _QUEUED)

    def issue(self, cycle: int, instruction: Load | Fill) -> int:
        """Take the handshake in ``cycle``; returns the cycle of the retirement."""
        started = max(cycle + _QUEUED, self._landed)
        self._tickets.append(started)
        if isinstance(instruction, Fill):
            self._landed = started + instruction.rows * -(-instruction.row_bytes // self._beat)
            self._ready = cycle + 1 + _REST
        else:
            self._chosen = max(self._chosen, cycle)
            # Beats wait for padding before them, and then the DRAM is as if the beat before had been late.
            self._end = max(self._end, started + 1 - self._interval)
            self._rows(instruction)
            self._landed = self._end
            self._ready = self._chosen + _REST
        return self._landed + _RETIRE

    def snapshot(self) -> tuple[int, ...]:
        """All that decides what comes, relative to :meth:`ready`. What cannot delay anything any more is levelled.

        Equal snapshots have equal futures; once the engine has been idle for long enough, it has that of a new one.
        """
        now = self.ready()
        return (
            max(self._chosen - now, 0),
            max(self._end - now, 2 - self._interval),
            max(self._landed - now, 1),
            *[max(cycle - now, 0) for cycle in self._ends],
            *[max(cycle - now, 2) for cycle in itertools.islice(self._tickets, 1, None)],
        )

    def restore(self, snapshot: tuple[int, ...]) -> None:
        """Take the state of ``snapshot``, with :meth:`ready` in cycle 0."""
        self._ready = 0
        self._chosen, self._end, self._landed = snapshot[:3]
        self._ends = deque(snapshot[3 : 3 + self._outstanding], self._outstanding)
        self._tickets = deque([-_QUEUED, *snapshot[3 + self._outstanding :]], self._outstanding)

    def events(self, instruction: Load | Fill) -> dict[str, int]:
        """What the instruction adds to each of ``rtl.counters.event_names(Engine.LOAD)``."""
        total = instruction.rows * instruction.row_bytes
        space, dram = Space.IFM, Traffic(0, 0, 0)
        if isinstance(instruction, Load):
            space, dram = Space(instruction.space), traffic(self._config, instruction)
        return {
            "dram_read_bytes": dram.bytes,
            "dram_read_beats": dram.beats,
            "dram_read_bursts": dram.bursts,
            "ifm_write_bytes": total * (space == Space.IFM),
            "weight_write_bytes": total * (space == Space.WEIGHT),
            "param_write_bytes": total * (space == Space.PARAM),
            "spmat_write_bytes": total * (space == Space.SPMAT),
            "pointer_write_bytes": total * (space == Space.POINTER),
            "codebook_write_bytes": total * (space == Space.CODEBOOK),
        }

    def _run(self, bursts: tuple[int, ...]) -> None:
        chosen, end, ends = self._chosen, self._end, self._ends
        interval, to_first = self._interval, _ADDRESS + self._latency
        for beats in bursts:
            freed = ends[0]
            chosen = (freed if freed > chosen else chosen) + 1
            first = chosen + to_first
            if first < end + interval:
                first = end + interval
            end = first + (beats - 1) * interval
            ends.append(end)
        self._chosen, self._end = chosen, end

    def _state(self) -> tuple[int, tuple[int, ...]]:
        end = self._end
        return end, (self._chosen - end, *[e - end for e in self._ends])

    def _shift(self, cycles: int) -> None:
        self._chosen += cycles
        self._end += cycles
        self._ends = deque([e + cycles for e in self._ends], self._outstanding)


class StoreTiming(_Bursts):
    """The store engine (:class:`rtl.dma.store.StoreEngine`).

    ::

        beat j       read(j)  = max(read(j-1) + 1, written(j - WRITE_QUEUE) + 1, issue + 1)
                     and, for the first of burst i, not before response(i - outstanding) + 1
                     written(j) = max(read(j) + 3, written(j-1) + interval)
        burst i      response(i) = written(its last beat) + latency
        instruction  ready again three cycles after its last beat was read; retires one after its last response

    Only the first beat of a burst can be late for the W channel, so that its other beats follow at the interval.
    """

    def __init__(self, config: ArchConfig) -> None:
        super().__init__(config)
        self._read = _NEVER
        self._written = [_NEVER] * WRITE_QUEUE
        self._responses = deque([_NEVER] * config.bus.outstanding, config.bus.outstanding)
        self._ready = 0

    def ready(self) -> int:
        """Earliest cycle in which the next instruction can be issued."""
        return self._ready

    def issue(self, cycle: int, instruction: Store) -> int:
        """Take the handshake in ``cycle``; returns the cycle of the retirement."""
        self._read = max(self._read, cycle)
        self._rows(instruction)
        self._ready = self._read + _REST
        return self._responses[-1] + _RETIRE

    def snapshot(self) -> tuple[int, ...]:
        """All that decides what comes, relative to :meth:`ready`, levelled as :meth:`LoadTiming.snapshot`'s is."""
        now = self._ready
        # The first beat is written four cycles after the handshake, or later.
        idle = min(0, 1 + _SPAD_LATENCY + _QUEUED - self._interval)
        return (
            max(self._read - now, 0),
            *[max(cycle - now, idle) for cycle in self._written],
            *[max(cycle - now, 0) for cycle in self._responses],
        )

    def restore(self, snapshot: tuple[int, ...]) -> None:
        """Take the state of ``snapshot``, with :meth:`ready` in cycle 0."""
        self._ready = 0
        self._read = snapshot[0]
        self._written = list(snapshot[1 : 1 + WRITE_QUEUE])
        self._responses = deque(snapshot[1 + WRITE_QUEUE :], self._outstanding)

    def events(self, instruction: Store) -> dict[str, int]:
        """What the instruction adds to each of ``rtl.counters.event_names(Engine.STORE)``."""
        dram = traffic(self._config, instruction)
        return {
            "store_ofm_bytes": dram.bytes,
            "dram_write_bytes": dram.bytes,
            "dram_write_beats": dram.beats,
            "dram_write_bursts": dram.bursts,
        }

    def _run(self, bursts: tuple[int, ...]) -> None:
        read, written, responses = self._read, self._written, self._responses
        interval, latency = self._interval, self._latency
        backs = [back * interval for back in range(WRITE_QUEUE - 1, -1, -1)]
        for beats in bursts:
            freed = responses[0]
            first_read = read if read > freed else freed
            if first_read < written[0]:
                first_read = written[0]
            first_read += 1
            first = first_read + _SPAD_LATENCY + _QUEUED
            if first < written[-1] + interval:
                first = written[-1] + interval
            last = first + (beats - 1) * interval
            if beats > WRITE_QUEUE:
                made_room = last - WRITE_QUEUE * interval
            else:
                made_room = written[beats - 1]
            read = max(first_read + beats - 1, made_room + _CREDIT)
            fresh = [last - back for back in backs]
            written = fresh if beats >= WRITE_QUEUE else [*written[beats:], *fresh[-beats:]]
            responses.append(last + latency)
        self._read, self._written = read, written

    def _state(self) -> tuple[int, tuple[int, ...]]:
        read = self._read
        return read, (*[w - read for w in self._written], *[r - read for r in self._responses])

    def _shift(self, cycles: int) -> None:
        self._read += cycles
        self._written = [w + cycles for w in self._written]
        self._responses = deque([r + cycles for r in self._responses], self._outstanding)
