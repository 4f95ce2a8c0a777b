"""A plan's loops on a machine: the instructions that its code generator would emit, without making them.

What an instruction depends on is told from the bytes that it shares with earlier ones, as
:mod:`compiler.program.hazards` does: by the ring that a block of a scratchpad comes from, by the place of a tensor in
OFM, by the rows of a tensor in DRAM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.mapping.analytic.constants import Constants
from compiler.mapping.analytic.inputs import Inputs
from compiler.mapping.analytic.outputs import Channels, Outputs
from compiler.mapping.analytic.streams import Streams
from compiler.mapping.tiling import Patch

if TYPE_CHECKING:
    from compiler.mapping.analytic.course import Course
    from compiler.mapping.analytic.inputs import Source
    from compiler.mapping.analytic.streams import Stream
    from compiler.mapping.plan import Plan

__all__ = ["walk"]


def walk(course: Course, plan: Plan) -> None:
    """Add a layer to ``course``."""
    _Walk(course, plan).run()


class _Walk:
    def __init__(self, course: Course, plan: Plan) -> None:
        self.course = course
        self.machine = course.machine
        self.plan = plan
        self.job = plan.job
        self.patches = plan.patches
        self.outputs = Outputs(course, plan)
        self.inputs = Inputs(course, plan, self.patches)
        self.constants = Constants(course, plan)
        self.streams = Streams(plan, course.config)

    def run(self) -> None:
        self.outputs.fill_margin()
        self.machine.post_alone(0, 0)  # POST_CONFIG
        if self.job.hold:
            self._pool()
        else:
            self._groups()
        self.outputs.leave()

    def _groups(self) -> None:
        for numbers in self.plan.groups:
            self.constants.begin_group(numbers)
            channels = self._channels(numbers)
            for number in range(len(self.patches)):
                self._patch(number, numbers, channels)

    def _channels(self, numbers: range) -> Channels:
        """Those of filter tiles ``numbers``."""
        tiles = self.job.tiles
        return Channels(tiles[numbers.start].channel, sum(tiles[n].filters for n in numbers))

    def _patch(self, number: int, numbers: range, channels: Channels) -> None:
        """One tile of output pixels, of a group of filter tiles."""
        machine, constants, outputs, tiles = self.machine, self.constants, self.outputs, self.job.tiles
        patch = self.patches[number]
        room = outputs.room(patch, channels)
        source = self.inputs.source(number)
        skips, skip = self.inputs.loads_skip, None
        streams = self.streams.of(patch, source.pitch)
        pixels = patch.height * patch.width
        span = (patch.height - 1) * room.pitch + (patch.width - 1) * room.x_stride
        for n in numbers:
            machine.half ^= 1
            self._compute(n, streams[n], source)
            params, load = constants.params(n)
            wait = params.loaded if params.loaded > room.free else room.free
            if skips:
                skip = skip or self.inputs.skip(number)
                wait = max(wait, skip.loaded)
            if outputs.readers:
                at = room.base + tiles[n].channel
                wait = max(wait, outputs.wait(at, at + span + tiles[n].filters))
            params.read = machine.post(pixels, wait, load=load)
        if source.use is not None:
            source.use.read = machine.compute_retire
        if skip is not None:
            skip.read = machine.post_retire
        outputs.store(patch, channels, room)

    def _compute(self, n: int, streams: tuple[Stream, ...], source: Source) -> None:
        """All windows of a filter tile."""
        machine, constants, ready = self.machine, self.constants, source.ready
        held = constants.held(n)
        if held is not None:
            machine.computes_of(streams, held, ready)
            return
        for window, stream in zip(self.job.tiles[n].windows, streams, strict=True):
            weights = constants.weights(window, n)
            weights.read = machine.compute(stream, weights.loaded if weights.loaded > ready else ready)

    def _pool(self) -> None:
        """A global pool: all its computes, then its posts."""
        machine, outputs, tiles = self.machine, self.outputs, self.job.tiles
        numbers = range(len(tiles))
        machine.half ^= 1
        self.constants.begin_group(numbers)
        for k, patch in enumerate(self.patches):
            source = self.inputs.source(k)
            streams = self.streams.of(patch, source.pitch)
            for n in numbers:
                self._compute(n, streams[n], source)
            if source.use is not None:
                source.use.read = machine.compute_retire
        room = outputs.pooled()
        for n in numbers:
            params, load = self.constants.params(n)
            at = room.base + tiles[n].channel
            wait = max(params.loaded, outputs.wait(at, at + tiles[n].filters))
            params.read = machine.post(1, wait, load=load)
        outputs.store(Patch(0, 0, 1, 1), self._channels(numbers), room)
