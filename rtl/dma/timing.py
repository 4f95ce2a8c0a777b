"""The exact cycles of the DMA engines and of instruction fetch, without their gateware.

Each object follows one engine and its own port of the deterministic DRAM (``hwsim/simulation/dram.v``) through a
program: :meth:`issue` the instructions in order, at cycles not before :meth:`ready`. Cycles count from any origin.

The DRAM presents the first beat of a read burst ``latency`` cycles after its address was taken, but no sooner than
``interval`` cycles after the beat before was taken, and the other beats every ``interval`` cycles. It takes a write
beat every ``interval`` cycles, and responds ``latency`` cycles after the last beat of a burst.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rtl.isa import INSTRUCTION_BYTES, Fill, Load, Space, Store

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["WRITE_QUEUE", "FetchTiming", "LoadTiming", "StoreTiming", "Traffic", "fetch_block_bytes", "traffic"]

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


class Traffic(NamedTuple):
    """What an instruction asks of DRAM."""

    bytes: int
    beats: int
    bursts: int


def traffic(config: ArchConfig, instruction: Load | Store) -> Traffic:
    """Bytes, beats and bursts of an instruction, in closed form."""
    first, stride, rows = instruction.dram, instruction.dram_stride, instruction.rows
    last = first + instruction.row_bytes - 1

    def touched(unit: int) -> int:
        """Aligned units of that many bytes that the rows touch, each row counted on its own."""
        return rows + _sum_floor(rows, unit, stride, last) - _sum_floor(rows, unit, stride, first)

    beat = config.bus.data_bytes
    return Traffic(rows * instruction.row_bytes, touched(beat), touched(beat * config.bus.burst_beats))


def _sum_floor(n: int, m: int, a: int, b: int) -> int:
    """The sum of ``(a * i + b) // m`` over ``i`` in ``range(n)``, by Euclid's algorithm."""
    total = 0
    while True:
        total += (n - 1) * n // 2 * (a // m) + n * (b // m)
        top = a % m * n + b % m
        if top < m:
            return total
        n, m, a, b = top // m, a % m, m, top % m


class _Row(NamedTuple):
    """Beats of the bursts of a row: one of ``head``, ``full`` of the longest, one of ``tail``; 0 for none."""

    head: int
    full: int
    tail: int


@functools.lru_cache(maxsize=1 << 16)
def _row(beat: int, burst_beats: int, offset: int, row_bytes: int) -> _Row:
    """Bursts of ``row_bytes`` from ``offset`` into a block of ``beat * burst_beats`` bytes on."""
    first = offset // beat
    end = -(-(offset + row_bytes) // beat)
    if end <= burst_beats:
        return _Row(end - first, 0, 0)
    full, tail = divmod(end - burst_beats, burst_beats)
    return _Row(burst_beats - first, full, tail)


class _Bursts(ABC):
    """Bursts in order, fast where they repeat.

    The state of an engine is a set of past cycles, and a burst maps it by maxima and additions of constants only. So
    once the state after a period is the state before, shifted, every period to come shifts it by as much again.
    """

    def __init__(self, config: ArchConfig) -> None:
        self._config = config
        self._beat = config.bus.data_bytes
        self._burst_beats = config.bus.burst_beats
        self._latency = config.dram.latency_cycles
        self._interval = config.dram.beat_interval

    @abstractmethod
    def _burst(self, beats: int) -> None:
        """Advance by one burst."""

    @abstractmethod
    def _clock(self) -> int:
        """A cycle of the state that every burst moves on."""

    @abstractmethod
    def _state(self) -> tuple[int, ...]:
        """All cycles of the state that decide what comes, relative to :meth:`_clock`."""

    @abstractmethod
    def _shift(self, cycles: int) -> None:
        """Move the whole state."""

    def _rows(self, dram: int, stride: int, rows: int, row_bytes: int) -> None:
        block = self._beat * self._burst_beats
        period = block // math.gcd(block, stride)

        def one(index: int) -> None:
            offset = (dram + index * stride) % block
            self._one_row(_row(self._beat, self._burst_beats, offset, row_bytes))

        self._repeat(one, rows, period)

    def _one_row(self, row: _Row) -> None:
        self._burst(row.head)
        if row.full:
            self._repeat(self._full_burst, row.full, 1)
        if row.tail:
            self._burst(row.tail)

    def _full_burst(self, _: int) -> None:
        self._burst(self._burst_beats)

    def _repeat(self, step, count: int, period: int) -> None:
        """``step(i)`` for every i < count, where ``step(i + period)`` does the same as ``step(i)``."""
        if count <= 2 * period:
            for index in range(count):
                step(index)
            return
        # Brent's search for a cycle: compare with a state saved ever more rarely.
        index, saved_at, patience = 0, 0, 1
        saved, saved_clock = self._state(), self._clock()
        while index < count:
            for sub in range(min(period, count - index)):
                step(index + sub)
            index += period
            state = self._state()
            if state == saved:
                length = index - saved_at
                times = max(count - index, 0) // length
                self._shift(times * (self._clock() - saved_clock))
                for rest in range(index + times * length, count):
                    step(rest)
                return
            if (index - saved_at) // period >= patience:
                saved, saved_clock, saved_at, patience = state, self._clock(), index, patience * 2


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
            self._rows(instruction.dram, instruction.dram_stride, instruction.rows, instruction.row_bytes)
            self._landed = self._end
            self._ready = self._chosen + _REST
        return self._landed + _RETIRE

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
        }

    def _burst(self, beats: int) -> None:
        chosen = max(self._chosen, self._ends[0]) + 1
        first = max(chosen + _ADDRESS + self._latency, self._end + self._interval)
        self._chosen = chosen
        self._end = first + (beats - 1) * self._interval
        self._ends.append(self._end)

    def _clock(self) -> int:
        return self._end

    def _state(self) -> tuple[int, ...]:
        end = self._end
        return (self._chosen - end, *[e - end for e in self._ends])

    def _shift(self, cycles: int) -> None:
        self._chosen += cycles
        self._end += cycles
        self._ends = deque([e + cycles for e in self._ends], self._ends.maxlen)


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
        self._rows(instruction.dram, instruction.dram_stride, instruction.rows, instruction.row_bytes)
        self._ready = self._read + _REST
        return self._responses[-1] + _RETIRE

    def events(self, instruction: Store) -> dict[str, int]:
        """What the instruction adds to each of ``rtl.counters.event_names(Engine.STORE)``."""
        dram = traffic(self._config, instruction)
        return {
            "store_ofm_bytes": dram.bytes,
            "dram_write_bytes": dram.bytes,
            "dram_write_beats": dram.beats,
            "dram_write_bursts": dram.bursts,
        }

    def _burst(self, beats: int) -> None:
        before, interval = self._written, self._interval
        first_read = max(self._read, self._responses[0], before[0]) + 1
        first = max(first_read + _SPAD_LATENCY + _QUEUED, before[-1] + interval)
        last = first + (beats - 1) * interval
        if beats > WRITE_QUEUE:
            made_room = first + (beats - 1 - WRITE_QUEUE) * interval
        else:
            made_room = before[beats - 1]
        self._read = max(first_read + beats - 1, made_room + _CREDIT)
        fresh = range(last - (min(beats, WRITE_QUEUE) - 1) * interval, last + 1, interval)
        self._written = [*before, *fresh][-WRITE_QUEUE:]
        self._responses.append(last + self._latency)

    def _clock(self) -> int:
        return self._read

    def _state(self) -> tuple[int, ...]:
        read = self._read
        return (*[w - read for w in self._written], *[r - read for r in self._responses])

    def _shift(self, cycles: int) -> None:
        self._read += cycles
        self._written = [w + cycles for w in self._written]
        self._responses = deque([r + cycles for r in self._responses], self._responses.maxlen)


def fetch_block_bytes(config: ArchConfig) -> int:
    """Bytes of the longest burst of instructions, a power of two: a quarter of the queue, where a burst may be so long."""
    quarter = config.control.fetch_depth // 4 * INSTRUCTION_BYTES
    return min(quarter, config.bus.burst_beats * config.bus.data_bytes)


class FetchTiming:
    """Instruction fetch (:class:`rtl.dma.fetch.FetchEngine`) of a program.

    Ask for the instructions in order, and tell when each was taken before asking for the next.

    Parameters
    ----------
    length : instructions of the program
    program : its byte address in DRAM
    start : cycle of the ``start`` pulse
    """

    def __init__(self, config: ArchConfig, length: int, *, program: int = 0, start: int = 0) -> None:
        bus = config.bus
        self._per_word = INSTRUCTION_BYTES // bus.data_bytes
        self._capacity = config.control.fetch_depth * self._per_word
        self._block = fetch_block_bytes(config) // bus.data_bytes
        self._latency = config.dram.latency_cycles
        self._interval = config.dram.beat_interval
        self._origin = program // bus.data_bytes
        self._beats = length * self._per_word
        self._asked = 0
        self._chosen = start
        self._end = _NEVER
        self._ends = deque([_NEVER] * bus.outstanding, bus.outstanding)
        self._arrived: list[int] = []
        self._taken: list[int] = []

    def offered(self, index: int) -> int:
        """The cycle in which instruction ``index`` is first offered."""
        while len(self._arrived) <= index:
            if self._asked == self._beats:
                raise IndexError(f"the program has {len(self._arrived)} instructions, no instruction {index}")
            self._burst()
        arrived = self._arrived[index] + _QUEUED
        return max(arrived, self._taken[index - 1] + 1) if index else arrived

    def taken(self, index: int, cycle: int) -> None:
        """Instruction ``index`` was taken in ``cycle``."""
        if index != len(self._taken):
            raise ValueError(f"instruction {index} taken out of order: {len(self._taken)} comes next")
        self._taken.append(cycle)

    def _burst(self) -> None:
        begin = self._asked
        beats = min(self._block - (self._origin + begin) % self._block, self._beats - begin)
        end = begin + beats
        chosen = max(self._chosen, self._ends[0]) + 1
        # Room is made by the word.
        makes_room = -(-(end - self._capacity) // self._per_word)
        if makes_room > 0:
            chosen = max(chosen, self._taken[makes_room - 1] + _CREDIT)
        first = max(chosen + _ADDRESS + self._latency, self._end + self._interval)
        self._asked = end
        self._chosen = chosen
        self._end = first + (beats - 1) * self._interval
        self._ends.append(self._end)
        words = range(begin // self._per_word, end // self._per_word)
        self._arrived += [first + ((word + 1) * self._per_word - 1 - begin) * self._interval for word in words]
