"""The exact cycles of instruction fetch, without its gateware.

Its port of the DRAM follows the rule in :mod:`rtl.dma.timing`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rtl.isa import INSTRUCTION_BYTES

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["FetchTiming", "fetch_block_bytes"]

_NEVER = -(1 << 60)


def fetch_block_bytes(config: ArchConfig) -> int:
    """Bytes of the longest burst of instructions: a quarter of the queue, or the bus's longest if that is shorter."""
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
        arrived = self._arrived[index] + 1
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
            chosen = max(chosen, self._taken[makes_room - 1] + 1)
        first = max(chosen + 1 + self._latency, self._end + self._interval)
        self._asked = end
        self._chosen = chosen
        self._end = first + (beats - 1) * self._interval
        self._ends.append(self._end)
        words = range(begin // self._per_word, end // self._per_word)
        self._arrived += [first + ((word + 1) * self._per_word - 1 - begin) * self._interval for word in words]
