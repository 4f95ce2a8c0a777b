"""Jobs to instructions: the loops over tiles, and which bytes are where when each instruction runs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.mapping.mapper import CYCLES, Objective, Situation, choose_plan
from compiler.mapping.memory import Arena, RingCache
from compiler.mapping.tiling import MAX_EXTENT, Patch, input_pitch, lines_up, patches
from compiler.program.hazards import Memory, Range, TokenPlacer
from rtl.isa import AccumulateOp, Compute, Fill, Load, Post, PostFill, Space, Store

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from compiler.mapping.image import ImageBuilder
    from compiler.mapping.job import FilterTile, Job, Window
    from compiler.mapping.resident import Resident
    from rtl.config import ArchConfig

__all__ = ["Codegen", "Target"]

_MAX_ROW_BYTES = (1 << 20) - 1


@dataclass(frozen=True, slots=True)
class Target:
    """Where a job's output goes: it stays in OFM, or goes to DRAM, or both."""

    resident: Resident | None
    dram: int | None
    channels: int
    """Of the whole tensor, which several jobs may write."""


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor, or a tile of one, in a scratchpad. Pixel (y, x) is at ``origin + y * pitch + x * channels``."""

    space: Space
    origin: int
    pitch: int
    block: Range

    def at(self, y: int, x: int, channels: int) -> int:
        """Byte of a pixel."""
        return self.origin + y * self.pitch + x * channels


class Codegen:
    """Emits the instructions of jobs, one job after the other.

    Scratchpad contents live on from job to job: weights, tiles and resident tensors that are still there are not
    loaded again.
    """

    def __init__(self, config: ArchConfig, image: ImageBuilder, objective: Objective = CYCLES) -> None:
        self.config = config
        self.image = image
        self._objective = objective
        self.ofm = Arena(config.memory.ofm_kib * 1024, config.banks)
        self.resident: dict[str, Resident] = {}
        self._constants: dict[Hashable, int] = {}
        self._half = 0
        self.begin_segment()

    def begin_segment(self) -> None:
        """Start a program of its own. It finds nothing in the scratchpads."""
        memory, align = self.config.memory, self.config.banks
        self.placer = TokenPlacer()
        self._ifm = RingCache(memory.ifm_kib * 1024, align)
        self._weights = RingCache(memory.weight_kib * 1024, align)
        self._params = RingCache(memory.param_kib * 1024, align)
        self._params_held: Hashable = None

    def fill_margin(self, resident: Resident, layer: int) -> None:
        """Write the padding around a tensor that is about to be produced."""
        for start, rows, row_bytes in resident.fills():
            stop = start + (rows - 1) * resident.pitch + row_bytes
            self.placer.emit(
                PostFill(
                    layer=layer,
                    value=resident.margin.fill,
                    spad=start,
                    rows=rows,
                    row_bytes=row_bytes,
                    spad_stride=resident.pitch,
                ),
                writes=(Range(Memory.OFM, start, stop),),
            )

    def job(self, job: Job, layer: int, target: Target) -> None:
        """Emit ``job``, whose instructions count for ``layer``.

        Raises:
            ModelError: a tile does not fit this architecture.

        """
        self._job, self._layer, self._target = job, layer, target
        self.placer.emit(dataclasses.replace(job.constants, layer=layer))
        if job.hold:
            self._spread_pool()
            return
        situation = Situation(
            input_resident=job.source in self.resident,
            skip_resident=job.skip in self.resident,
            output_resident=target.resident is not None,
            ofm_gap=self.ofm.largest_gap(),
        )
        plan = choose_plan(job, self.config, situation, self._objective)
        for first in range(0, len(job.tiles), plan.group):
            for patch in patches(job, plan.tile):
                self._patch(patch, range(first, min(first + plan.group, len(job.tiles))))

    def _patch(self, patch: Patch, numbers: range) -> None:
        """One tile of output pixels, of a group of filter tiles."""
        job, target = self._job, self._target
        tiles = [job.tiles[number] for number in numbers]
        written = sum(tile.filters for tile in tiles)
        # Where channel 0 would be, if the group did not begin later.
        base = 0 if target.resident is not None else -tiles[0].channel
        if target.resident is not None:
            r = target.resident
            block = None
            x_stride, pitch = target.channels, r.pitch
            out = r.origin + patch.y * pitch + patch.x * x_stride + job.channel_offset
        else:
            block = self.ofm.allocate(patch.height * patch.width * written)
            if block is None:
                raise ModelError(f"{job.name}: no room in OFM for a tile of its output (raise memory.ofm_kib)")
            x_stride, pitch, out = written, patch.width * written, block.start
        for number, tile in zip(numbers, tiles, strict=True):
            accumulators = self._next_half()
            self._compute(tile, number, patch, accumulators)
            self._post(tile, number, patch, accumulators, out + base + tile.channel, x_stride, pitch)
        if target.dram is not None:
            self._store(patch, (tiles[0].channel, written), out + base + tiles[0].channel, x_stride, pitch)
        if block is not None:
            self.ofm.free(block)

    def _next_half(self) -> int:
        """First accumulator of the half that is not draining."""
        self._half ^= 1
        return self._half * self.config.memory.accumulators

    def _accumulators(self, first: int) -> Range:
        # Each half has one read port, so a half belongs to the array or to the output stage as a whole.
        start = first // self.config.memory.accumulators * self.config.memory.accumulators
        return Range(Memory.ACCUMULATOR, start, start + self.config.memory.accumulators)

    def _compute(self, tile: FilterTile, number: int, patch: Patch, acc: int) -> None:
        job = self._job
        channels = job.in_shape[2]
        in_y, in_x = patch.y * job.strides[0] - job.pads[0], patch.x * job.strides[1] - job.pads[1]
        source = self._source(patch)
        for w, window in enumerate(tile.windows):
            weights = self._load_weights(window, (job.name, number, w))
            act = source.at(in_y + window.tap_y, in_x + window.tap_x, channels) + window.channel
            ky_stride = window.step_y * source.pitch
            kx_stride = job.strides[1] if job.depthwise else window.step_x * channels
            aligned = lines_up(window.run, window.kx, kx_stride, window.ky, ky_stride, self.config.banks)
            flatten = aligned and not job.depthwise and not job.reuse_weights and window.kx * window.ky > 1
            self.placer.emit(
                Compute(
                    layer=self._layer,
                    source=source.space,
                    act=act,
                    out_w=patch.width,
                    out_h=patch.height,
                    x_stride=channels if job.depthwise else job.strides[1] * channels,
                    y_stride=job.strides[0] * source.pitch,
                    run=window.run,
                    kx=window.kx,
                    kx_stride=kx_stride,
                    ky=window.ky,
                    ky_stride=ky_stride,
                    weight=weights.start,
                    filters=tile.filters,
                    acc=acc,
                    op=job.accumulate if w == 0 else AccumulateOp.ADD,
                    flatten=int(flatten),
                    depthwise=int(job.depthwise),
                    reuse_weights=int(job.reuse_weights),
                    hold=0,
                ),
                reads=(source.block, weights),
                writes=(self._accumulators(acc),),
            )

    def _post(self, tile: FilterTile, number: int, patch: Patch, acc: int, ofm: int, x_stride: int, pitch: int) -> None:
        params, load = self._load_params(number)
        channels = self._target.channels
        skip = self._skip(patch)
        stop = ofm + (patch.height - 1) * pitch + (patch.width - 1) * x_stride + tile.filters
        reads = [self._accumulators(acc), params]
        address = 0
        if skip is not None:
            address = skip.at(patch.y, patch.x, channels) + self._job.channel_offset + tile.channel
            reads.append(skip.block)
        self.placer.emit(
            Post(
                layer=self._layer,
                acc=acc,
                out_w=patch.width,
                out_h=patch.height,
                ofm=ofm,
                x_stride=x_stride,
                y_stride=pitch,
                filters=tile.filters,
                load_params=int(load),
                params=params.start,
                residual=int(skip is not None),
                skip_source=skip.space if skip else Space.IFM,
                skip=address,
                skip_x_stride=channels if skip else 0,
                skip_y_stride=skip.pitch if skip else 0,
            ),
            reads=tuple(reads),
            writes=(Range(Memory.OFM, ofm, stop),),
        )

    def _spread_pool(self) -> None:
        """A global pool: every pixel of the input adds into one accumulator per channel."""
        job, config = self._job, self.config
        height, width, channels = job.in_shape
        acc = self._next_half()
        if len(job.tiles) > config.memory.accumulators:
            raise ModelError(f"{job.name}: {channels} channels exceed the accumulators (raise memory.accumulators)")
        rows = min(height, MAX_EXTENT)
        if job.source not in self.resident:
            rows = min(rows, config.memory.ifm_kib * 512 // (width * channels))
            if rows == 0:
                raise ModelError(f"{job.name}: a row of {width * channels} bytes exceeds half of IFM (raise ifm_kib)")
        for y in range(0, height, rows):
            count = min(rows, height - y)
            source = self._tile(job.source, y, 0, count, width, 0, 0)
            for x in range(0, width, MAX_EXTENT):
                self._spread_tile(source, Patch(y, x, count, min(MAX_EXTENT, width - x)), acc)
        patch = Patch(0, 0, 1, 1)
        target = self._target
        block = None if target.resident else self.ofm.allocate(channels)
        if target.resident is None and block is None:
            raise ModelError(f"{job.name}: no room in OFM for {channels} bytes (raise memory.ofm_kib)")
        out = target.resident.origin if target.resident else block.start if block else 0
        for number, tile in enumerate(job.tiles):
            self._post(tile, number, patch, acc + number, out + tile.channel, channels, channels)
        if target.dram is not None:
            self._store(patch, (0, channels), out, channels, channels)
        if block is not None:
            self.ofm.free(block)

    def _spread_tile(self, source: _View, patch: Patch, acc: int) -> None:
        """Add the pixels of ``patch``, of the input, into the accumulators of a global pool."""
        job = self._job
        channels = job.in_shape[2]
        for number, tile in enumerate(job.tiles):
            (window,) = tile.windows
            weights = self._load_weights(window, (job.name, number, 0))
            self.placer.emit(
                Compute(
                    layer=self._layer,
                    source=source.space,
                    act=source.at(patch.y, patch.x, channels) + window.channel,
                    out_w=patch.width,
                    out_h=patch.height,
                    x_stride=channels,
                    y_stride=source.pitch,
                    run=window.run,
                    kx=1,
                    kx_stride=0,
                    ky=1,
                    ky_stride=0,
                    weight=weights.start,
                    filters=tile.filters,
                    acc=acc + number,
                    op=AccumulateOp.SET if (patch.y, patch.x) == (0, 0) else AccumulateOp.ADD,
                    flatten=0,
                    depthwise=0,
                    reuse_weights=1,
                    hold=1,
                ),
                reads=(source.block, weights),
                writes=(self._accumulators(acc),),
            )

    def _source(self, patch: Patch) -> _View:
        """The input of a tile, loaded if need be."""
        job = self._job
        y, x = patch.y * job.strides[0] - job.pads[0], patch.x * job.strides[1] - job.pads[1]
        rows = (patch.height - 1) * job.strides[0] + job.kernel[0]
        cols = (patch.width - 1) * job.strides[1] + job.kernel[1]
        return self._tile(job.source, y, x, rows, cols, job.fill, job.natural_run)

    def _skip(self, patch: Patch) -> _View | None:
        skip = self._job.skip
        if skip is None:
            return None
        return self._tile(skip, patch.y, patch.x, patch.height, patch.width, 0, 0)

    def _tile(self, tensor: str, y: int, x: int, rows: int, cols: int, fill: int, natural_run: int) -> _View:
        """``rows x cols`` pixels of ``tensor`` from (y, x) on, which may lie outside it: resident, or in IFM."""
        if tensor in self.resident:
            r = self.resident[tensor]
            return _View(Space.OFM, r.origin, r.pitch, Range(Memory.OFM, r.block.start, r.block.stop))
        placement = self.image.tensors[tensor]
        channels = placement.shape[2]
        pitch = input_pitch(cols, channels, natural_run, self.config.banks)
        key = (tensor, y, x, rows, cols, fill, pitch)
        held = self._ifm.get(key)
        block = held or self._ifm.put(key, rows * pitch)
        origin = block.start - y * pitch - x * channels
        view = _View(Space.IFM, origin, pitch, Range(Memory.IFM, block.start, block.stop))
        if held is None:
            self._load_tile(view, placement.address, placement.shape, (y, x, rows, cols), fill)
        return view

    def _load_tile(
        self, view: _View, dram: int, shape: tuple[int, int, int], area: tuple[int, int, int, int], fill: int
    ) -> None:
        """The part of a tile that lies in the tensor from DRAM, padding around it."""
        height, width, channels = shape
        y, x, rows, cols = area
        top, bottom = max(0, -y), max(0, y + rows - height)
        left, right = max(0, -x), max(0, x + cols - width)
        inner_rows, inner_cols = rows - top - bottom, cols - left - right
        start = view.block.start
        inner = start + top * view.pitch
        areas = [
            (start, 1, top * view.pitch),
            (inner + inner_rows * view.pitch, 1, bottom * view.pitch),
            (inner, inner_rows, left * channels),
            (inner + (left + inner_cols) * channels, inner_rows, right * channels),
        ]
        for first, count, row_bytes in areas:
            if count > 0 and row_bytes > 0:
                self.placer.emit(
                    Fill(
                        layer=self._layer,
                        value=fill,
                        spad=first,
                        rows=count,
                        row_bytes=row_bytes,
                        spad_stride=view.pitch,
                    ),
                    writes=(view.block,),
                )
        if inner_rows > 0 and inner_cols > 0:
            first = dram + ((y + top) * width + x + left) * channels
            self._load(
                Space.IFM,
                inner + left * channels,
                view.pitch,
                first,
                width * channels,
                (inner_rows, inner_cols * channels),
                view.block,
            )

    def _load(
        self, space: Space, spad: int, spad_stride: int, dram: int, stride: int, size: tuple[int, int], block: Range
    ) -> None:
        rows, row_bytes = size
        if rows == 1 or (row_bytes == spad_stride == stride and rows * row_bytes <= _MAX_ROW_BYTES):
            rows, row_bytes, stride, spad_stride = 1, rows * row_bytes, 0, 0
        self.placer.emit(
            Load(
                layer=self._layer,
                space=space,
                dram=dram,
                spad=spad,
                rows=rows,
                row_bytes=row_bytes,
                dram_stride=stride,
                spad_stride=spad_stride,
            ),
            reads=(Range(Memory.DRAM, dram, dram + (rows - 1) * stride + row_bytes),),
            writes=(block,),
        )

    def _load_constant(self, space: Space, dram: int, block: Range) -> None:
        """A constant, whole. Nothing writes constants, so reading them is no hazard."""
        load = Load(
            layer=self._layer,
            space=space,
            dram=dram,
            spad=block.start,
            rows=1,
            row_bytes=block.stop - block.start,
            dram_stride=0,
            spad_stride=0,
        )
        self.placer.emit(load, writes=(block,))

    def _load_weights(self, window: Window, key: Hashable) -> Range:
        """The weights of a window, in the weight scratchpad."""
        held = self._weights.get(key)
        size = window.weights.size
        if size > self._weights.size:
            raise ModelError(
                f"{self._job.name}: a tile of {size} bytes of weights exceeds the weight scratchpad "
                "(raise memory.weight_kib)"
            )
        block = held or self._weights.put(key, size)
        where = Range(Memory.WEIGHT, block.start, block.stop)
        if held is None and self._job.weights_from is not None:
            rows, filters = window.weights.shape
            placement = self.image.tensors[self._job.weights_from]
            columns = placement.shape[2]
            dram = placement.address + window.weights_at[0] * columns + window.weights_at[1]
            self._load(Space.WEIGHT, block.start, filters, dram, columns, (rows, filters), where)
        elif held is None:
            dram = self._constant(key, window.weights)
            self._load_constant(Space.WEIGHT, dram, where)
        return where

    def _load_params(self, number: int) -> tuple[Range, bool]:
        """Parameters of a filter tile (loaded for many tiles at once), and whether the lanes have yet to take them."""
        job = self._job
        per_tile = max(tile.params.size for tile in job.tiles)
        together = max(1, self._params.size // 2 // per_tile)
        group = number // together
        tiles = job.tiles[group * together : (group + 1) * together]
        key = (job.name, "params", group)
        held = self._params.get(key)
        size = sum(tile.params.size for tile in tiles)
        block = held or self._params.put(key, size)
        if held is None:
            where = Range(Memory.PARAM, block.start, block.stop)
            self._load_constant(Space.PARAM, self._params_constant(key, tiles), where)
        start = block.start + sum(tile.params.size for tile in tiles[: number - group * together])
        needed = self._params_held != (job.name, number)
        self._params_held = (job.name, number)
        return Range(Memory.PARAM, start, start + job.tiles[number].params.size), needed

    def _constant(self, key: Hashable, data: NDArray[np.int8]) -> int:
        if key not in self._constants:
            self._constants[key] = self.image.constant(data.view(np.uint8).ravel())
        return self._constants[key]

    def _params_constant(self, key: Hashable, tiles: tuple[FilterTile, ...]) -> int:
        if key not in self._constants:
            self._constants[key] = self.image.constant(np.concatenate([tile.params for tile in tiles]))
        return self._constants[key]

    def _store(self, patch: Patch, channels: tuple[int, int], ofm: int, x_stride: int, pitch: int) -> None:
        """A finished tile to DRAM, in as few rows as its layout allows. ``channels``: the job's first, and how many."""
        job, target = self._job, self._target
        first, written = channels
        assert target.dram is not None
        width = job.out_shape[1]
        dram = target.dram + (patch.y * width + patch.x) * target.channels + job.channel_offset + first
        row = width * target.channels
        if written == target.channels:
            self._store_rows(ofm, pitch, dram, row, patch.height, patch.width * written)
            return
        for y in range(patch.height):
            self._store_rows(ofm + y * pitch, x_stride, dram + y * row, target.channels, patch.width, written)

    def _store_rows(self, ofm: int, pitch: int, dram: int, stride: int, rows: int, row_bytes: int) -> None:
        if rows == 1 or (pitch == row_bytes == stride and rows * row_bytes <= _MAX_ROW_BYTES):
            rows, row_bytes, pitch, stride = 1, rows * row_bytes, 0, 0
        self.placer.emit(
            Store(
                layer=self._layer,
                spad=ofm,
                rows=rows,
                row_bytes=row_bytes,
                spad_stride=pitch,
                dram=dram,
                dram_stride=stride,
            ),
            reads=(Range(Memory.OFM, ofm, ofm + (rows - 1) * pitch + row_bytes),),
            writes=(Range(Memory.DRAM, dram, dram + (rows - 1) * stride + row_bytes),),
        )
