"""The load and the store engine as tables: what a transfer of one pattern does in one state is worked out once.

The engines are those of :mod:`rtl.dma.timing`; programs repeat few patterns in few states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rtl.dma.timing import LoadTiming, StoreTiming
from rtl.isa import Fill, Load, Space, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from compiler.mapping.analytic.traffic import Row
    from rtl.config import ArchConfig

    _Make = Callable[[int, int, int, int], Load | Store]

__all__ = ["Port", "load_port", "store_port"]


class _Step(NamedTuple):
    """From the issue of a transfer: the state it leaves, and when the engine is ready and the transfer over."""

    state: int
    ready: int
    retire: int


class Port:
    """One engine and its port of the DRAM. State 0 is idle."""

    def __init__(self, timing: LoadTiming | StoreTiming, make: _Make, block: int) -> None:
        self._timing = timing
        self._make = make
        self._block = block
        self._numbers: dict[tuple[int, ...], int] = {}
        self._states: list[tuple[int, ...]] = []
        self.idle_after: list[int] = []
        """Cycles after ``ready`` from which on a state is no different from idle."""
        self._patterns: dict[tuple[int, ...], int] = {}
        self._instructions: list[Load | Store | Fill] = []
        self._steps: dict[tuple[int, int, int], _Step] = {}
        self._state(timing.snapshot())

    def pattern(self, row: Row) -> int:
        """The number of a transfer, told by where it lies in its bursts."""
        key = row.offset % self._block, row.stride % self._block, row.rows, row.row_bytes
        number = self._patterns.get(key)
        if number is None:
            offset, stride, rows, row_bytes = key
            number = self._add(key, self._make(offset, stride, rows, row_bytes))
        return number

    def fill(self, rows: int, row_bytes: int) -> int:
        """The number of a FILL."""
        key = rows, row_bytes
        number = self._patterns.get(key)
        if number is None:
            number = self._add(key, Fill(layer=0, value=0, spad=0, rows=rows, row_bytes=row_bytes, spad_stride=0))
        return number

    def step(self, state: int, gap: int, pattern: int) -> _Step:
        """What issuing ``pattern`` does, ``gap`` cycles after the engine was ready in ``state``."""
        if gap >= self.idle_after[state]:
            state = gap = 0
        key = state, gap, pattern
        found = self._steps.get(key)
        if found is None:
            found = self._steps[key] = self._work_out(key)
        return found

    def _work_out(self, key: tuple[int, int, int]) -> _Step:
        state, gap, pattern = key
        timing = self._timing
        timing.restore(self._states[state])
        instruction = self._instructions[pattern]
        retire = timing.issue(gap, instruction)  # pyright: ignore[reportArgumentType]
        return _Step(self._state(timing.snapshot()), timing.ready() - gap, retire - gap)

    def _add(self, key: tuple[int, ...], instruction: Load | Store | Fill) -> int:
        number = self._patterns[key] = len(self._instructions)
        self._instructions.append(instruction)
        return number

    def _state(self, snapshot: tuple[int, ...]) -> int:
        number = self._numbers.get(snapshot)
        if number is None:
            number = self._numbers[snapshot] = len(self._states)
            self._states.append(snapshot)
            idle = self._states[0]
            late = [now - then for now, then in zip(snapshot, idle, strict=True)]
            self.idle_after.append(max(0, *late))
        return number


def load_port(config: ArchConfig) -> Port:
    """The load engine of ``config``."""
    return Port(LoadTiming(config), _load, config.bus.data_bytes * config.bus.burst_beats)


def store_port(config: ArchConfig) -> Port:
    """The store engine of ``config``."""
    return Port(StoreTiming(config), _store, config.bus.data_bytes * config.bus.burst_beats)


def _load(dram: int, stride: int, rows: int, row_bytes: int) -> Load:
    return Load(
        layer=0, space=Space.IFM, dram=dram, spad=0, rows=rows, row_bytes=row_bytes, dram_stride=stride, spad_stride=0
    )  # fmt: skip


def _store(dram: int, stride: int, rows: int, row_bytes: int) -> Store:
    return Store(layer=0, spad=0, rows=rows, row_bytes=row_bytes, spad_stride=0, dram=dram, dram_stride=stride)
