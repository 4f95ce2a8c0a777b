"""A plan's loops on a machine: the instructions that its code generator would emit, without making them.

What an instruction depends on is told from the bytes that it shares with earlier ones, as
:mod:`compiler.program.hazards` does: by the ring that a block of a scratchpad comes from, by the place of a tensor in
OFM, by the rows of a tensor in DRAM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.mapping.analytic.machine import Machine, Stream
from compiler.mapping.analytic.repeats import FEWEST, Repeats
from compiler.mapping.analytic.traffic import Row, fill_bytes, input_row, store_row, weight_row
from compiler.mapping.plan import aligned, flattens, held_bytes, input_area, param_chunks, plan_patches
from compiler.mapping.tiling import Patch, input_pitch
from rtl.dense.timing import GATHER_LATENCY

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from compiler.mapping.analytic.machine import Ports
    from compiler.mapping.analytic.ring import Use
    from compiler.mapping.job import FilterTile, Window
    from compiler.mapping.plan import Plan
    from compiler.mapping.resident import Resident
    from rtl.config import ArchConfig

__all__ = ["Course"]

_LATE = 64
"""STOREs that may be under way when a layer ends."""


@dataclass(slots=True)
class _Access:
    """Bytes of OFM, or of a tensor in DRAM, and when the last instruction that used them so retires."""

    start: int
    stop: int
    retire: int


@dataclass(slots=True)
class _Tile:
    """A tile of a tensor in IFM, and what brings it there."""

    size: int
    fills: list[int]
    row: Row | None
    pattern: int


class Course:
    """One program, layer by layer."""

    def __init__(self, config: ArchConfig, ports: Ports) -> None:
        self.config = config
        self.machine = Machine(config, ports)
        self.kept: Use | None = None
        """The last tile that was loaded into IFM as a layer's input."""
        self.made: list[_Access] = []
        """What POSTs wrote to OFM to stay there,"""
        self.used: list[_Access] = []
        """and what COMPUTEs and STOREs read of it."""
        self.stored: dict[str, list[_Access]] = {}
        """STOREs by tensor, in order."""
        self.awaited: dict[str, int] = {}
        """By tensor, how many of them LOADs have waited for."""

    def run(self, plan: Plan) -> int:
        """Add a layer; the cycle of its last retirement, or of an earlier layer's if that is later."""
        _Walk(self, plan).run()
        return self.machine.end

    def wait_for_stores(self, tensor: str, row: Row) -> int:
        """When what a LOAD of ``row`` reads is in DRAM."""
        stores = self.stored.get(tensor)
        if not stores:
            return 0
        start, stop = row.offset, row.offset + (row.rows - 1) * row.stride + row.row_bytes
        past = self.machine.loads[-1]
        for number in range(len(stores) - 1, self.awaited.get(tensor, 0) - 1, -1):
            store = stores[number]
            if store.retire < past:
                break
            if store.start < stop and start < store.stop:
                self.awaited[tensor] = number + 1
                return store.retire
        return 0

    def wait_for_posts(self, resident: Resident) -> int:
        """When a tensor in OFM is there."""
        block = resident.block
        return max((a.retire for a in self.made if a.start < block.stop and block.start < a.stop), default=0)


class _Walk:
    def __init__(self, course: Course, plan: Plan) -> None:
        self.course = course
        self.machine = course.machine
        self.config = course.config
        self.plan = plan
        self.job = plan.job
        self.patches = list(plan_patches(plan))
        self.streams: dict[tuple[int, ...], Stream] = {}
        self.held_tiles: dict[tuple[str, int], Use] = {}
        self.held_weights: dict[tuple[int, int], Use] = {}
        self.chunks = param_chunks(plan)
        self.held_params: dict[int, Use] = {}
        self.lanes_hold = -1
        self.patterns: dict[int, int] = {}
        self.tiles: dict[int, _Tile] = {}
        self.source_ready = 0
        region = plan.target.block if plan.target is not None else plan.staging
        # What earlier layers still read where this one writes.
        self.foreign = [a for a in course.used if a.start < region.stop and region.start < a.stop]
        self.banks = self.config.banks
        self.staged: list[_Access] = []
        """Blocks of the ring that the output passes through,"""
        self.stored_from: list[_Access] = []
        """and what the last STOREs read of them."""

    def run(self) -> None:
        plan, machine, course = self.plan, self.machine, self.course
        if plan.hold_input:
            machine.ifm.reserve(held_bytes(plan, self.config))
        if plan.fills_margin and plan.target is not None:
            self._fill_margin(plan.target)
        machine.post_alone(0, 0)
        if plan.source is not None:
            self.source_ready = course.wait_for_posts(plan.source)
        if self.job.hold:
            self._pool()
        else:
            self._groups()
        self._leave()

    def _groups(self) -> None:
        plan = self.plan
        groups = plan.groups
        tiles = self.job.tiles
        block = self.config.bus.data_bytes * self.config.bus.burst_beats if plan.stores else 1
        kinds = [(len(ns), tiles[ns[-1]].filters, tiles[ns.start].channel % block) for ns in groups]
        self.patch_kinds = self._patch_kinds()

        def turn(k: int) -> None:
            self._reserve_weights(groups[k])
            self._patches(groups[k], first=k == 0)

        self._repeat(kinds, turn)

    def _patches(self, numbers: range, *, first: bool) -> None:
        def turn(k: int) -> None:
            self._patch(k, self.patches[k], numbers)

        # All of what is held has to be loaded once.
        if first and self.plan.hold_input:
            for k in range(len(self.patches)):
                turn(k)
        else:
            self._repeat(self.patch_kinds, turn)

    def _patch_kinds(self) -> list[Hashable]:
        """What tells apart patches that the machine does not do alike."""
        if len(self.patches) < FEWEST:
            return [0] * len(self.patches)
        plan, block = self.plan, self.config.bus.data_bytes * self.config.bus.burst_beats
        across = self.job.out_shape[1]
        kinds: list[Hashable] = []
        for k, patch in enumerate(self.patches):
            moved: tuple[object, ...] = ()
            if plan.source is None and not plan.kept_input:
                tile = self._input_tile(k)
                moved = (tile.pattern, *tile.fills)
            if plan.stores or (self.job.skip is not None and plan.skip is None):
                moved = (*moved, (patch.y * across + patch.x) * plan.channels % block)
            kinds.append((patch.height, patch.width, moved))
        return kinds

    def _repeat(self, kinds: Sequence[Hashable], turn: Callable[[int], None]) -> None:
        """The turns of a loop, those that only repeat what was before left out."""
        if len(kinds) < FEWEST:
            for k in range(len(kinds)):
                turn(k)
            return
        machine, repeats, k = self.machine, Repeats(kinds), 0
        stores = self.course.stored.setdefault(self.job.target, [])
        while k < len(kinds):
            turn(k)
            k += 1
            times, period, cycles, mark = repeats.skip(k, self._state, machine.dispatched, len(stores))
            if times:
                self._leap(times, cycles, stores, mark)
                k += times * period

    def _state(self) -> Hashable | None:
        """All that decides what comes, relative to the last dispatch; None while earlier layers still matter."""
        now = self.machine.dispatched
        if self.foreign:
            return None
        for tensor in (self.job.source, self.job.skip, self.job.weights_from):
            stores = self.course.stored.get(tensor) if tensor is not None else None
            if stores and stores[-1].retire > now:
                return None
        staged = tuple([access.retire - now if access.retire > now + 1 else 1 for access in self.staged])
        return self.machine.state(), staged

    def _leap(self, times: int, cycles: int, stores: list[_Access], mark: int) -> None:
        """Move on by so many periods; ``stores`` from ``mark`` on are those of one."""
        self.machine.shift(times * cycles)
        for access in (*self.staged, *self.stored_from):
            access.retire += times * cycles
        period = stores[mark:]
        if not period:
            return
        before = stores[mark - len(period)] if mark >= len(period) else period[0]
        step = period[0].start - before.start
        stores += [
            _Access(a.start + n * step, a.stop + n * step, a.retire + n * cycles)
            for n in range(1, times + 1)
            for a in period
        ]

    def _leave(self) -> None:
        """Note what the layer has done to OFM."""
        plan, course, machine = self.plan, self.course, self.machine
        course.used += self.stored_from
        if plan.source is not None:
            block = plan.source.block
            course.used.append(_Access(block.start, block.stop, machine.compute_retire))
        region = plan.target.block if plan.target is not None else plan.staging
        # What was there before is no more.
        course.made = [a for a in course.made if not (region.start <= a.start and a.stop <= region.stop)]
        course.made.append(_Access(region.start, region.stop, machine.post_retire))
        past = machine.posts[-1]
        course.used = [a for a in course.used if a.retire >= past]

    def _fill_margin(self, resident: Resident) -> None:
        for start, rows, size in resident.fills():
            wait = self._free_of(start, start + (rows - 1) * resident.pitch + size)
            self.machine.post_alone(rows * -(-size // self.banks), wait)

    def _free_of(self, start: int, stop: int) -> int:
        """When earlier layers have read these bytes of OFM for the last time."""
        past = self.machine.posts[-1]
        self.foreign = [a for a in self.foreign if a.retire >= past]
        return max((a.retire for a in self.foreign if a.start < stop and start < a.stop), default=0)

    # Loops -------------------------------------------------------------------------------------------------------

    def _patch(self, number: int, patch: Patch, numbers: range) -> None:
        plan, machine, job = self.plan, self.machine, self.job
        tiles = job.tiles
        written = sum(tiles[n].filters for n in numbers)
        first = tiles[numbers.start].channel
        free = 0
        if plan.target is not None:
            out = plan.target.origin + patch.y * plan.target.pitch + patch.x * plan.channels + job.channel_offset
            x_stride, pitch = plan.channels, plan.target.pitch
        else:
            out, free = self._stage(patch.height * patch.width * written)
            x_stride, pitch, out = written, patch.width * written, out - first
        use, there, row_pitch = self._source(number)
        skip: Use | None = None
        skipped = 0
        pixels = patch.height * patch.width
        skips = job.skip is not None and plan.skip is None
        span = (patch.height - 1) * pitch + (patch.width - 1) * x_stride

        def turn(k: int) -> None:
            nonlocal skip, skipped
            n = numbers[k]
            tile = tiles[n]
            machine.half ^= 1
            self._compute(tile, n, patch, row_pitch, use, there)
            params, load = self._params(n)
            if skips and skip is None:
                skip = self._skip(number)
                skipped = skip.loaded
            wait = max(params.loaded, skipped, free)
            if self.foreign:
                at = out + tile.channel
                wait = max(wait, self._free_of(at, at + span + tile.filters))
            params.read = machine.post(pixels, wait, load=load)
            if skip is not None:
                skip.read = params.read

        holds = len(self.patches) > 1 and number == 0 and (plan.hold_weights or len(self.chunks) > 1)
        if len(numbers) < FEWEST or holds:
            for k in range(len(numbers)):
                turn(k)
        else:
            chunk = plan.param_chunk if len(self.chunks) > 1 else 1 << 30
            self._repeat([(tiles[n].filters, n % chunk == 0) for n in numbers], turn)
        if plan.stores:
            self._store(patch, numbers, written, (out + first, x_stride, pitch))

    def _compute(self, tile: FilterTile, n: int, patch: Patch, pitch: int, use: Use | None, there: int) -> None:
        machine, hold = self.machine, self.plan.hold_weights
        for w, window in enumerate(tile.windows):
            weights = self.held_weights.get((n, w)) if hold else None
            if weights is None:
                weights = self._load_weights(window)
                if hold:
                    self.held_weights[n, w] = weights
            loaded = weights.loaded
            weights.read = machine.compute(self._stream(patch, window, pitch), there if there > loaded else loaded)
        if use is not None:
            use.read = machine.compute_retire

    def _pool(self) -> None:
        """A global pool: all its computes, then its posts."""
        job, plan, machine = self.job, self.plan, self.machine
        machine.half ^= 1
        self._reserve_weights(range(len(job.tiles)))
        for number, patch in enumerate(self.patches):
            use, there, pitch = self._source(number)
            for n, tile in enumerate(job.tiles):
                self._compute(tile, n, patch, pitch, use, there)
        out = plan.target.origin + job.channel_offset if plan.target is not None else plan.staging.start
        for n in range(len(job.tiles)):
            params, load = self._params(n)
            wait = params.loaded
            if self.foreign:
                at = out + job.tiles[n].channel
                wait = max(wait, self._free_of(at, at + job.tiles[n].filters))
            params.read = machine.post(1, wait, load=load)
        if plan.stores:
            self._store(Patch(0, 0, 1, 1), range(len(job.tiles)), plan.channels, (out, plan.channels, plan.channels))

    # OFM ---------------------------------------------------------------------------------------------------------

    def _stage(self, size: int) -> tuple[int, int]:
        """Room for a tile of an output that leaves, and when what was there has been stored."""
        ring = self.plan.staging
        start = self._next_stage if self.staged else ring.start
        if start + size > ring.stop:
            start = ring.start
        self._next_stage = start + aligned(size, self.banks)
        stop, until = start + size, 0
        kept = []
        for access in self.staged:
            if access.start < stop and start < access.stop:
                until = max(until, access.retire)
            else:
                kept.append(access)
        self.staged = kept
        self.staged.append(_Access(start, stop, 0))
        return start, until

    def _store(self, patch: Patch, numbers: range, written: int, where: tuple[int, int, int]) -> None:
        """``where``: first byte in OFM, strides from pixel to pixel and from row to row."""
        plan, job, course, machine = self.plan, self.job, self.course, self.machine
        stores = course.stored.setdefault(job.target, [])
        port, posted = machine.ports.store, machine.post_retire
        ofm, x_stride, pitch = where
        reads: list[_Access] = []
        if written == plan.channels:
            rows, step, spad = [store_row(plan, patch.y, patch.x, patch.height, patch.width)], 0, pitch
        else:
            width, channels = job.out_shape[1], plan.channels
            at = (patch.y * width + patch.x) * channels + job.channel_offset + job.tiles[numbers.start].channel
            rows = [
                Row.of(1, at + y * width * channels, channels, patch.width, written, x_stride)
                for y in range(patch.height)
            ]
            step, spad = pitch, x_stride
        for y, row in enumerate(rows):
            retire = machine.store(port.pattern(row), posted)
            stores.append(_Access(row.offset, row.offset + (row.rows - 1) * row.stride + row.row_bytes, retire))
            start = ofm + y * step
            reads.append(_Access(start, start + (row.rows - 1) * spad + row.row_bytes, retire))
        if self.staged:
            self.staged[-1].retire = machine.store_retire
            # Blocks that are gone lie under those that came later.
            self.stored_from = [*self.stored_from[-_LATE:], *reads]
        else:
            course.used += reads

    # IFM ---------------------------------------------------------------------------------------------------------

    def _source(self, number: int) -> tuple[Use | None, int, int]:
        """The input of a patch: its block, when it is there, its row pitch."""
        plan, course = self.plan, self.course
        if plan.source is not None:
            return None, self.source_ready, plan.source.pitch
        if plan.kept_input:
            assert course.kept is not None
            return course.kept, course.kept.loaded, self._input_pitch(number)
        use = self.held_tiles.get(("input", number))
        if use is None:
            use = self._load_tile("input", number, self._input_tile(number), self.job.source)
        course.kept = use
        return use, use.loaded, self._input_pitch(number)

    def _input_pitch(self, number: int) -> int:
        job = self.job
        if job.hold:
            return self.patches[number].width * job.in_shape[2]
        cols = (self.patches[number].width - 1) * job.strides[1] + job.kernel[1]
        return input_pitch(cols, job.in_shape[2], job.natural_run, self.banks)

    def _input_tile(self, number: int) -> _Tile:
        found = self.tiles.get(number)
        if found is None:
            load, plan = self.machine.ports.load, self.plan
            area, pitch = input_area(self.job, self.patches[number]), self._input_pitch(number)
            fills = [load.fill(rows, size) for rows, size in fill_bytes(plan, area, pitch)]
            row = input_row(plan, area, pitch)
            found = _Tile(area.rows * pitch, fills, row, load.pattern(row) if row is not None else -1)
            self.tiles[number] = found
        return found

    def _skip(self, number: int) -> Use:
        """The residual of a patch that is not in OFM."""
        plan, course, job = self.plan, self.course, self.job
        if plan.kept_skip:
            assert course.kept is not None
            return course.kept
        use = self.held_tiles.get(("skip", number))
        if use is not None:
            return use
        patch, channels = self.patches[number], plan.channels
        width = patch.width * channels
        row = _skip_row(patch, job.out_shape[1], channels)
        tile = _Tile(patch.height * width, [], row, self.machine.ports.load.pattern(row))
        assert job.skip is not None
        return self._load_tile("skip", number, tile, job.skip)

    def _load_tile(self, role: str, number: int, tile: _Tile, tensor: str) -> Use:
        machine = self.machine
        use, wait = machine.ifm.put(tile.size)
        for fill in tile.fills:
            machine.load(fill, wait)
        if tile.row is not None:
            machine.load(tile.pattern, max(wait, self.course.wait_for_stores(tensor, tile.row)))
        use.loaded = machine.load_retire
        if self.plan.hold_input:
            self.held_tiles[role, number] = use
        return use

    # Constants ---------------------------------------------------------------------------------------------------

    def _reserve_weights(self, numbers: range) -> None:
        self.held_weights.clear()
        if self.plan.hold_weights:
            banks = self.banks
            sizes = (w.size for n in numbers for w in self.job.tiles[n].windows)
            self.machine.weights.reserve(sum(aligned(size, banks) for size in sizes))

    def _load_weights(self, window: Window) -> Use:
        machine, source = self.machine, self.job.weights_from
        use, wait = machine.weights.put(window.size)
        if source is None:
            pattern = self.patterns.get(window.size)
            if pattern is None:
                pattern = self.patterns[window.size] = machine.ports.load.pattern(weight_row(self.plan, window))
        else:
            row = weight_row(self.plan, window)
            pattern = machine.ports.load.pattern(row)
            wait = max(wait, self.course.wait_for_stores(source, row))
        use.loaded = machine.load(pattern, wait)
        return use

    def _params(self, n: int) -> tuple[Use, bool]:
        """Parameters of a filter tile, and whether the lanes have yet to take them."""
        plan, machine = self.plan, self.machine
        index = n // plan.param_chunk
        use = self.held_params.get(index)
        if use is None:
            if not plan.hold_params:
                self.held_params.clear()
            elif not self.held_params:
                machine.params.reserve(sum(aligned(self._chunk_bytes(k), self.banks) for k in range(len(self.chunks))))
            size = self._chunk_bytes(index)
            use, wait = machine.params.put(size)
            use.loaded = machine.load(machine.ports.load.pattern(_contiguous(size)), wait)
            self.held_params[index] = use
        load, self.lanes_hold = self.lanes_hold != n, n
        return use, load

    def _chunk_bytes(self, index: int) -> int:
        return sum(self.job.tiles[n].param_bytes for n in self.chunks[index])

    # The array ---------------------------------------------------------------------------------------------------

    def _stream(self, patch: Patch, window: Window, pitch: int) -> Stream:
        key = patch.height, patch.width, pitch, window.run, window.kx, window.ky, window.step_x, window.step_y
        found = self.streams.get(key)
        if found is None:
            found = self.streams[key] = _stream(self.plan, self.config, patch, window, pitch)
        return found


def _contiguous(size: int) -> Row:
    return Row(1, 0, 0, 1, size)


def _skip_row(patch: Patch, width: int, channels: int) -> Row:
    offset, row = (patch.y * width + patch.x) * channels, patch.width * channels
    return Row.of(1, offset, width * channels, patch.height, row, row)


def _stream(plan: Plan, config: ArchConfig, patch: Patch, window: Window, pitch: int) -> Stream:
    """The COMPUTE of a patch and a window."""
    job, rows = plan.job, config.dense.rows
    run, kx, ky = window.run, window.kx, window.ky
    pixels = patch.height * patch.width
    if job.depthwise:
        vectors = ((patch.width - 1) * job.strides[1] + kx) * patch.height
        return Stream(kx, (ky - 1) * max(vectors, kx), vectors, GATHER_LATENCY + rows - 1, 0, 0)
    flat = not job.hold and flattens(job, window, pitch, config.banks)
    length, runs = (run * kx * ky, 1) if flat else (run, kx * ky)
    full, tail = divmod(length, rows)
    full, tails = full * runs, runs if tail else 0
    first, last = (rows if full else tail), (tail or rows)
    if config.dense.dataflow == "output_stationary":
        block, blocks = min(rows, pixels), -(-pixels // rows)
        cycles = rows if full else max(block, tail)
        leaving = pixels - (blocks - 1) * rows
        spacing = ((full + tails) * blocks - 1) * cycles
        return Stream(first, spacing, max(block, last), leaving + GATHER_LATENCY, block, leaving)
    whole = full * max(pixels, rows) + tails * max(pixels, tail)
    return Stream(first, whole - max(pixels, first), pixels, GATHER_LATENCY + rows - 1, 0, 0)
