"""Jobs to instructions: the loops over tiles, and which bytes are where when each instruction runs."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.memory import Ring
from compiler.mapping.plan import (
    Area,
    Plan,
    aligned,
    flattens,
    held_bytes,
    input_area,
    param_chunks,
    plan_patches,
)
from compiler.mapping.tiling import Patch, input_pitch
from compiler.program.hazards import Memory, Range, TokenPlacer
from rtl.isa import AccumulateOp, Compute, Fill, Load, Post, PostFill, Space, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from compiler.mapping.image import ImageBuilder
    from compiler.mapping.job import FilterTile, Window
    from compiler.mapping.resident import Resident
    from rtl.config import ArchConfig

__all__ = ["Codegen", "Target"]

_MAX_ROW_BYTES = (1 << 20) - 1


@dataclass(frozen=True, slots=True)
class Target:
    """The tensor that a job writes: its address in DRAM if it goes there, and the channels of the whole of it."""

    dram: int | None
    channels: int
    """Several jobs may write it."""


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
    """Emits the instructions of plans, one plan after the other. It decides nothing but addresses."""

    def __init__(self, config: ArchConfig, image: ImageBuilder) -> None:
        self.config = config
        self.image = image
        self._constants: dict[Hashable, int] = {}
        self._half = 0
        self.begin_segment()

    def begin_segment(self) -> None:
        """Start a program of its own. It finds nothing in the scratchpads."""
        memory, align = self.config.memory, self.config.banks
        self.placer = TokenPlacer()
        self._ifm = Ring(memory.ifm_kib * 1024, align)
        self._weights = Ring(memory.weight_kib * 1024, align)
        self._params = Ring(memory.param_kib * 1024, align)
        self._kept: _View | None = None

    def job(self, plan: Plan, layer: int, target: Target) -> None:
        """Emit what ``plan`` says; its instructions count for ``layer``."""
        job = plan.job
        self._plan, self._job, self._layer, self._target = plan, job, layer, target
        self._held_weights: dict[tuple[int, int], Range] = {}
        self._held_params: dict[int, Range] = {}
        self._held_tiles: dict[tuple[str, Area], _View] = {}
        self._lanes_hold = -1
        self._room_for_tiles: Ring | None = None
        if plan.fills_margin and plan.target is not None:
            self._fill_margin(plan.target)
        self.placer.emit(dataclasses.replace(job.constants, layer=layer))
        self._reserve_tiles()
        if job.hold:
            self._spread_pool()
            return
        self._staging = Ring(plan.staging.size, self.config.banks, plan.staging.start)
        for numbers in plan.groups:
            self._reserve_weights(numbers)
            for patch in plan_patches(plan):
                self._patch(patch, numbers)

    def _fill_margin(self, resident: Resident) -> None:
        """Write the padding around a tensor that is about to be produced."""
        for start, rows, row_bytes in resident.fills():
            stop = start + (rows - 1) * resident.pitch + row_bytes
            self.placer.emit(
                PostFill(
                    layer=self._layer,
                    value=resident.margin.fill,
                    spad=start,
                    rows=rows,
                    row_bytes=row_bytes,
                    spad_stride=resident.pitch,
                ),
                writes=(Range(Memory.OFM, start, stop),),
            )

    def _reserve_weights(self, numbers: range) -> None:
        """Room for all weights of a group, if they stay."""
        self._held_weights.clear()
        self._room_for_weights = self._weights
        if self._plan.hold_weights:
            banks = self.config.banks
            sizes = (w.size for n in numbers for w in self._job.tiles[n].windows)
            size = sum(aligned(size, banks) for size in sizes)
            self._room_for_weights = Ring(size, banks, self._weights.put(size).start)

    def _reserve_tiles(self) -> None:
        """Room for all patches of the input and the residual, if they stay."""
        plan, banks = self._plan, self.config.banks
        if plan.hold_input:
            size = held_bytes(plan, self.config)
            self._room_for_tiles = Ring(size, banks, self._ifm.put(size).start)

    def _patch(self, patch: Patch, numbers: range) -> None:
        """One tile of output pixels, of a group of filter tiles."""
        job, target, resident = self._job, self._target, self._plan.target
        tiles = [job.tiles[number] for number in numbers]
        written = sum(tile.filters for tile in tiles)
        if resident is not None:
            base = 0
            x_stride, pitch = target.channels, resident.pitch
            out = resident.origin + patch.y * pitch + patch.x * x_stride + job.channel_offset
        else:
            # Where channel 0 would be, if the group did not begin later.
            base = -tiles[0].channel
            out = self._staging.put(patch.height * patch.width * written).start
            x_stride, pitch = written, patch.width * written
        source = self._source(patch)
        skip: _View | None = None
        for number, tile in zip(numbers, tiles, strict=True):
            accumulators = self._next_half()
            self._compute(tile, number, patch, source, accumulators)
            params, load = self._load_params(number)
            skip = skip or self._skip(patch)
            at = out + base + tile.channel
            self._post(tile, (params, load), skip, patch, accumulators, (at, x_stride, pitch))
        if target.dram is not None:
            self._store(patch, (tiles[0].channel, written), out + base + tiles[0].channel, x_stride, pitch)

    def _next_half(self) -> int:
        """First accumulator of the half that is not draining."""
        self._half ^= 1
        return self._half * self.config.memory.accumulators

    def _accumulators(self, first: int) -> Range:
        # Each half has one read port, so a half belongs to the array or to the output stage as a whole.
        start = first // self.config.memory.accumulators * self.config.memory.accumulators
        return Range(Memory.ACCUMULATOR, start, start + self.config.memory.accumulators)

    def _compute(self, tile: FilterTile, number: int, patch: Patch, source: _View, acc: int) -> None:
        job = self._job
        channels = job.in_shape[2]
        in_y, in_x = patch.y * job.strides[0] - job.pads[0], patch.x * job.strides[1] - job.pads[1]
        for w, window in enumerate(tile.windows):
            weights = self._load_weights(window, number, w)
            act = source.at(in_y + window.tap_y, in_x + window.tap_x, channels) + window.channel
            ky_stride = window.step_y * source.pitch
            kx_stride = job.strides[1] if job.depthwise else window.step_x * channels
            flatten = flattens(job, window, source.pitch, self.config.banks)
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

    def _post(
        self,
        tile: FilterTile,
        parameters: tuple[Range, bool],
        skip: _View | None,
        patch: Patch,
        acc: int,
        where: tuple[int, int, int],
    ) -> None:
        """Requantise a filter tile. ``where``: first byte in OFM, strides from pixel to pixel and from row to row."""
        (params, load), (ofm, x_stride, pitch) = parameters, where
        channels = self._target.channels
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
        job, plan, target = self._job, self._plan, self._target
        channels = job.in_shape[2]
        acc = self._next_half()
        self._reserve_weights(range(len(job.tiles)))
        for area in plan_patches(plan):
            source = self._source(area)
            for number, tile in enumerate(job.tiles):
                (window,) = tile.windows
                weights = self._load_weights(window, number, 0)
                self.placer.emit(
                    Compute(
                        layer=self._layer,
                        source=source.space,
                        act=source.at(area.y, area.x, channels) + window.channel,
                        out_w=area.width,
                        out_h=area.height,
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
                        op=AccumulateOp.SET if (area.y, area.x) == (0, 0) else AccumulateOp.ADD,
                        flatten=0,
                        depthwise=0,
                        reuse_weights=1,
                        hold=1,
                    ),
                    reads=(source.block, weights),
                    writes=(self._accumulators(acc),),
                )
        patch = Patch(0, 0, 1, 1)
        out = plan.target.origin + job.channel_offset if plan.target else plan.staging.start
        for number, tile in enumerate(job.tiles):
            params = self._load_params(number)
            self._post(tile, params, None, patch, acc + number, (out + tile.channel, target.channels, target.channels))
        if target.dram is not None:
            self._store(patch, (0, channels), out, target.channels, target.channels)

    def _source(self, patch: Patch) -> _View:
        """The input of a patch, loaded if need be."""
        job, plan = self._job, self._plan
        if plan.source is not None:
            return _resident_view(plan.source)
        if plan.kept_input:
            assert self._kept is not None, f"{job.name}: nothing is kept in IFM"
            return self._kept
        run = 0 if job.hold else job.natural_run
        view = self._tile(job.source, input_area(job, patch), job.fill, run, "input")
        self._kept = view
        return view

    def _skip(self, patch: Patch) -> _View | None:
        skip = self._job.skip
        if skip is None:
            return None
        if self._plan.skip is not None:
            return _resident_view(self._plan.skip)
        if self._plan.kept_skip:
            assert self._kept is not None, f"{self._job.name}: nothing is kept in IFM"
            return self._kept
        return self._tile(skip, Area(patch.y, patch.x, patch.height, patch.width), 0, 0, "skip")

    def _tile(self, tensor: str, area: Area, fill: int, natural_run: int, role: str) -> _View:
        """An area of ``tensor`` in IFM, loaded from DRAM unless it is held there."""
        if held := self._held_tiles.get((role, area)):
            return held
        placement = self.image.tensors[tensor]
        channels = placement.shape[2]
        pitch = input_pitch(area.cols, channels, natural_run, self.config.banks)
        block = (self._room_for_tiles or self._ifm).put(area.rows * pitch)
        origin = block.start - area.y * pitch - area.x * channels
        view = _View(Space.IFM, origin, pitch, Range(Memory.IFM, block.start, block.stop))
        self._load_tile(view, placement.address, placement.shape, (area.y, area.x, area.rows, area.cols), fill)
        if self._room_for_tiles is not None:
            self._held_tiles[role, area] = view
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

    def _load_weights(self, window: Window, number: int, w: int) -> Range:
        """The weights of a window, in the weight scratchpad."""
        if held := self._held_weights.get((number, w)):
            return held
        block = self._room_for_weights.put(window.size)
        where = Range(Memory.WEIGHT, block.start, block.stop)
        if self._job.weights_from is not None:
            placement = self.image.tensors[self._job.weights_from]
            columns = placement.shape[2]
            dram = placement.address + window.weights_at[0] * columns + window.weights_at[1]
            size = window.rows, window.filters
            self._load(Space.WEIGHT, block.start, window.filters, dram, columns, size, where)
        else:
            dram = self._constant((self._job.name, number, w), window.size, functools.partial(_bytes_of, window))
            self._load_constant(Space.WEIGHT, dram, where)
        if self._plan.hold_weights:
            self._held_weights[number, w] = where
        return where

    def _load_params(self, number: int) -> tuple[Range, bool]:
        """Parameters of a filter tile (loaded for many tiles at once), and whether the lanes have yet to take them."""
        job, plan = self._job, self._plan
        index = number // plan.param_chunk
        chunk = param_chunks(plan)[index]
        tiles = job.tiles[chunk.start : chunk.stop]
        if index not in self._held_params:
            size = sum(tile.param_bytes for tile in tiles)
            if not plan.hold_params:
                self._held_params.clear()
                block = self._params.put(size)
            elif not self._held_params:
                sizes = [sum(job.tiles[n].param_bytes for n in c) for c in param_chunks(plan)]
                total = sum(aligned(size, self.config.banks) for size in sizes)
                self._room_for_params = Ring(total, self.config.banks, self._params.put(total).start)
                block = self._room_for_params.put(size)
            else:
                block = self._room_for_params.put(size)
            where = Range(Memory.PARAM, block.start, block.stop)
            self._held_params[index] = where
            dram = self._constant((job.name, "params", index), size, functools.partial(_params_of, tiles))
            self._load_constant(Space.PARAM, dram, where)
        start = self._held_params[index].start + sum(tile.param_bytes for tile in tiles[: number - chunk.start])
        needed, self._lanes_hold = self._lanes_hold != number, number
        return Range(Memory.PARAM, start, start + job.tiles[number].param_bytes), needed

    def _constant(self, key: Hashable, size: int, make: Callable[[], NDArray[np.uint8]]) -> int:
        if key not in self._constants:
            self._constants[key] = self.image.constant(size, make)
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


def _resident_view(r: Resident) -> _View:
    return _View(Space.OFM, r.origin, r.pitch, Range(Memory.OFM, r.block.start, r.block.stop))


def _bytes_of(window: Window) -> NDArray[np.uint8]:
    return window.weights.view(np.uint8).ravel()


def _params_of(tiles: tuple[FilterTile, ...]) -> NDArray[np.uint8]:
    return np.concatenate([tile.params for tile in tiles])
