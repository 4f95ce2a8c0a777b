"""Cycles of networks at many points: the four engines, in max-plus algebra, layer by layer.

Coarser than :mod:`compiler.mapping.analytic.cycles`, which follows every tile: here an engine is busy with a layer for
as long as its work takes, and starts it when the first tile of what it needs is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtl.dense.timing import COMPUTE_DECODE
from rtl.post.timing import LANE_LATENCY, POST_DECODE, POST_TAIL

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bus", "Chain", "Work"]

_RUN_AHEAD = 8.0
"""COMPUTEs that wait while LOAD goes on: a queue of the usual depth."""
_BOOT = 8
_POST = POST_DECODE + POST_TAIL + 1


@dataclass(frozen=True, slots=True, eq=False)
class Bus:
    """``[points]``: the memory and what the DMA keeps in flight."""

    data_bytes: int
    latency: NDArray[np.int64]
    interval: NDArray[np.int64]
    outstanding: NDArray[np.int64]

    def cycles(self, beats: NDArray[np.int64], bursts: NDArray[np.int64], extra: int) -> NDArray[np.float64]:
        """For which transfers keep it busy; ``extra`` cycles go by between a burst's end and the next one's address."""
        alone = bursts * (self.latency + extra - self.interval) + beats * self.interval
        return np.maximum(beats * self.interval, alone / self.outstanding)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What a layer has to do, ``[points]``, and how it is cut."""

    array: NDArray[np.int64]
    """Cycles for which the array streams."""
    computes: NDArray[np.int64]
    posts: NDArray[np.int64]
    post_pixels: NDArray[np.int64]
    param_loads: NDArray[np.int64]
    patches: NDArray[np.int64]
    read_beats: NDArray[np.int64]
    read_bursts: NDArray[np.int64]
    fill_cycles: NDArray[np.int64]
    first_beats: NDArray[np.int64]
    """Beats before the first COMPUTE."""
    write_beats: NDArray[np.int64]
    write_bursts: NDArray[np.int64]
    stores: NDArray[np.int64]
    stores_late: NDArray[np.float64]
    """STOREs that may be left when the array and the output stage are done."""
    from_before: NDArray[np.bool_]
    """It reads, from OFM, what the layer before it writes."""
    stored_before: NDArray[np.bool_]
    """It reads, from DRAM, what the layer before it writes."""
    chained: bool
    """The output stage follows the array from the first sum of a tile on."""


class Chain:
    """The engines, layer after layer. Times count from the beginning of the segment."""

    def __init__(self, bus: Bus, rows: int, cols: int) -> None:
        self._bus = bus
        self._rows, self._lanes = rows, LANE_LATENCY + cols - 1
        self.begin()

    def begin(self) -> None:
        """A program begins: nothing is on the chip, and nobody is busy."""
        zero = np.zeros(len(self._bus.latency))
        self._load, self._array, self._post, self._store = (zero + self._bus.latency + _BOOT for _ in range(4))
        self._open, self._end, self._stored = self._load, zero, zero

    def layer(self, work: Work) -> NDArray[np.float64]:
        """``[points]``: cycles of the next layer, from the end of the one before it to its own."""
        bus, latency = self._bus, self._bus.latency
        load = bus.cycles(work.read_beats, work.read_bursts, 3) + work.fill_cycles
        store = np.maximum(bus.cycles(work.write_beats, work.write_bursts, 4), 4 * work.stores)
        post = work.post_pixels + 8 * work.param_loads + work.posts * _POST
        each = work.array / work.computes
        sums = work.array / work.posts
        begin = np.maximum(self._load, self._open)
        # The last tile of an input that comes back from DRAM is not there before it has been stored.
        fresh = self._stored - load * (1 - 1 / work.patches)
        begin = np.where(work.stored_before, np.maximum(begin, fresh), begin)
        reads = work.read_beats > 0
        loaded = np.where(reads, begin + latency + load, self._load)
        first = np.where(reads, begin + latency + work.first_beats * bus.interval, 0.0)
        start = np.maximum(self._array, first + 2)
        start = np.where(work.from_before, np.maximum(start, self._post), start) + COMPUTE_DECODE
        summed = np.maximum(start + work.array, np.where(reads, loaded + each, 0.0)) + self._rows
        behind, last = (0, _POST) if work.chained else (sums, post / work.posts)
        done = np.maximum(np.maximum(self._post, start + behind + self._rows) + post, summed + last) + self._lanes
        wrote = np.maximum(
            np.maximum(self._store, start + sums * work.posts / work.patches) + store,
            done + store / np.maximum(work.stores, 1),
        )
        writes = work.stores > 0
        # The output stage waits for room, and what is behind a STORE for a place in its queue.
        held = np.where(writes, wrote - store * work.stores_late / np.maximum(work.stores, 1), 0.0)
        summed = np.maximum(summed, held)
        end = np.maximum(done, np.where(writes, wrote + latency, 0.0))
        self._open = np.maximum(np.maximum(self._open, summed - np.minimum(work.array, _RUN_AHEAD * each)), held)
        self._load = np.where(reads, loaded - latency, self._load)
        self._array, self._post = summed - self._rows, done
        self._store = np.where(writes, wrote, self._store)
        self._stored = np.where(writes, wrote + latency, done)
        spent = np.maximum(end - self._end, 0)
        self._end = np.maximum(self._end, end)
        return spent
