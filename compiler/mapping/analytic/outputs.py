"""The output of a plan: where POSTs write it in OFM, what they have to wait for there, and its way to DRAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compiler.mapping.analytic.course import Access
from compiler.mapping.analytic.traffic import Row, store_row
from compiler.mapping.plan import aligned
from compiler.mapping.sparse.plan import SparsePlan

if TYPE_CHECKING:
    from compiler.mapping.analytic.course import Course
    from compiler.mapping.plan import Plan
    from compiler.mapping.tiling import Patch

__all__ = ["Channels", "Outputs", "Room"]

_LATE = 64
"""STOREs that may be under way when a layer ends."""


class Channels(NamedTuple):
    """Output channels that go over a tile together."""

    first: int
    """Of those that the job writes."""
    written: int
    """How many."""


class Room(NamedTuple):
    """Where a tile of the output goes in OFM."""

    base: int
    """Byte of channel 0 of the first pixel, were it there."""
    x_stride: int
    pitch: int
    free: int
    """When the tile of this layer that was there has been stored."""


class Outputs:
    """As the code generator has them."""

    def __init__(self, course: Course, plan: Plan | SparsePlan) -> None:
        self._course = course
        self._machine = course.machine
        self._plan = plan
        self._banks = course.config.banks
        self._region = plan.target.block if plan.target is not None else plan.staging
        self._next = self._region.start
        self._tiles: list[Access] = []
        """What is in the ring that the output passes through,"""
        self._reads: list[Access] = []
        """and what the last STOREs read."""
        self.readers = [a for a in course.used if a.touches(self._region.start, self._region.stop)]
        """What is still read where this layer writes: by earlier layers, and by its own STOREs of an output that stays,
        whose rows lie between those of the tiles that follow, or that is written in steps. In the ring, tiles are
        apart: :attr:`Room.free` is when all of one is free."""
        self._by_steps = isinstance(plan, SparsePlan)
        self._writes: list[Access] = []
        """What the POSTs of a tile write that goes by steps; for any other tile the last one says when it is there."""
        # A list of its own: what others may go on from stays as it is.
        self.stores = course.stored[plan.job.target] = [*course.stored.get(plan.job.target, ())]

    def fill_margin(self) -> None:
        """The padding around an output that stays."""
        resident = self._plan.target
        if not self._plan.fills_margin or resident is None:
            return
        for start, rows, size in resident.fills():
            wait = self.wait(start, start + (rows - 1) * resident.pitch + size)
            self._machine.post_alone(rows * -(-size // self._banks), wait)

    def wait(self, start: int, stop: int) -> int:
        """When these bytes of OFM have been read for the last time."""
        if not self.readers:
            return 0
        past = self._machine.posts[-1]
        self.readers = [a for a in self.readers if a.retire >= past]
        return max((a.retire for a in self.readers if a.touches(start, stop)), default=0)

    def room(self, patch: Patch, channels: Channels) -> Room:
        """Room for those channels of a patch."""
        self._writes.clear()
        plan, job = self._plan, self._plan.job
        target = plan.target
        if target is not None:
            base = target.origin + patch.y * target.pitch + patch.x * plan.channels + job.channel_offset
            return Room(base, plan.channels, target.pitch, 0)
        first, written = channels
        start, free = self._stage(patch.height * patch.width * written)
        return Room(start - first, written, patch.width * written, free)

    def _stage(self, size: int) -> tuple[int, int]:
        start = self._next
        if start + size > self._region.stop:
            start = self._region.start
        self._next = start + aligned(size, self._banks)
        stop, free, kept = start + size, 0, []
        for tile in self._tiles:
            if tile.touches(start, stop):
                free = max(free, tile.retire)
            else:
                kept.append(tile)
        kept.append(Access(start, stop, 0))
        self._tiles = kept
        return start, free

    def pooled(self) -> Room:
        """Room for the one pixel of a global pool."""
        plan = self._plan
        start = plan.staging.start if plan.target is None else plan.target.origin + plan.job.channel_offset
        return Room(start, plan.channels, plan.channels, 0)

    def step_written(self, start: int, stop: int, retire: int) -> None:
        """Note a POST of a tile that is written in steps."""
        self._writes.append(Access(start, stop, retire))

    def store(self, patch: Patch, which: Channels, room: Room) -> None:
        """A finished tile to DRAM, in as few rows as its layout allows."""
        plan, job = self._plan, self._plan.job
        if not plan.stores:
            return
        machine, channels, width = self._machine, plan.channels, job.out_shape[1]
        first, written = which
        ofm = room.base + first
        if written == channels:
            self._store(store_row(plan, patch.y, patch.x, patch.height, patch.width), ofm, room.pitch)
        else:
            at = (patch.y * width + patch.x) * channels + job.channel_offset + first
            for y in range(patch.height):
                row = Row.of(1, at + y * width * channels, channels, patch.width, written, room.x_stride)
                self._store(row, ofm + y * room.pitch, room.x_stride)
        if self._tiles:
            self._tiles[-1].retire = machine.store_retire
        del self._reads[:-_LATE]

    def _store(self, row: Row, ofm: int, stride: int) -> None:
        machine = self._machine
        stop = ofm + (row.rows - 1) * stride + row.row_bytes
        wait = machine.post_retire
        if self._writes:
            wait = max(a.retire for a in self._writes if a.touches(ofm, stop))
        retire = machine.store(machine.ports.store.pattern(row), wait)
        self.stores.append(Access(row.offset, row.offset + (row.rows - 1) * row.stride + row.row_bytes, retire))
        read = Access(ofm, stop, retire)
        self._reads.append(read)
        if self._by_steps or self._plan.target is not None:
            self.readers.append(read)

    def leave(self) -> None:
        """Note what later layers have to know."""
        self._course.used += self._reads
        source = self._plan.source
        self._course.leave(self._region, source.block if source is not None else None)
