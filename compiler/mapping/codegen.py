"""Jobs to instructions: the loops over tiles, and which bytes are where when each instruction runs."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.memory import Ring
from compiler.mapping.movement import Movement, View, resident_view
from compiler.mapping.plan import Area, aligned, flattens, held_bytes, input_area, param_chunks, plan_patches
from compiler.mapping.tiling import Patch
from compiler.program.hazards import Memory, Range
from rtl.isa import AccumulateOp, Compute, Post, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.mapping.image import ImageBuilder
    from compiler.mapping.job import FilterTile, Window
    from compiler.mapping.movement import Target
    from compiler.mapping.plan import Plan
    from rtl.config import ArchConfig

__all__ = ["Codegen"]


class Codegen(Movement):
    """Emits the instructions of plans, one plan after the other. It decides nothing but addresses."""

    def __init__(self, config: ArchConfig, image: ImageBuilder) -> None:
        super().__init__(config, image)
        self._half = 0

    def begin_segment(self) -> None:
        """Start a program of its own. It finds nothing in the scratchpads."""
        super().begin_segment()
        self._weights = Ring(self.config.memory.weight_kib * 1024, self.config.banks)

    def job(self, plan: Plan, layer: int, target: Target) -> None:
        """Emit what ``plan`` says; its instructions count for ``layer``."""
        job = plan.job
        self._plan, self._job = plan, job
        self.begin(layer, target, held_bytes(plan, self.config) if plan.hold_input else 0)
        self._held_weights: dict[tuple[int, int], Range] = {}
        self._held_params: dict[int, Range] = {}
        self._lanes_hold = -1
        if plan.fills_margin and plan.target is not None:
            self.fill_margin(plan.target)
        self.placer.emit(dataclasses.replace(job.constants, layer=layer))
        if job.hold:
            self._spread_pool()
            return
        self._staging = Ring(plan.staging.size, self.config.banks, plan.staging.start)
        for numbers in plan.groups:
            self._reserve_weights(numbers)
            for patch in plan_patches(plan):
                self._patch(patch, numbers)

    def _reserve_weights(self, numbers: range) -> None:
        """Room for all weights of a group, if they stay."""
        self._held_weights.clear()
        self._room_for_weights = self._weights
        if self._plan.hold_weights:
            banks = self.config.banks
            sizes = (w.size for n in numbers for w in self._job.tiles[n].windows)
            size = sum(aligned(size, banks) for size in sizes)
            self._room_for_weights = Ring(size, banks, self._weights.put(size).start)

    def _patch(self, patch: Patch, numbers: range) -> None:
        """One tile of output pixels, of a group of filter tiles."""
        job, target, resident = self._job, self.target, self._plan.target
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
        skip: View | None = None
        for number, tile in zip(numbers, tiles, strict=True):
            accumulators = self._next_half()
            self._compute(tile, number, patch, source, accumulators)
            params, load = self._load_params(number)
            skip = skip or self._skip(patch)
            at = out + base + tile.channel
            self._post(tile, (params, load), skip, patch, accumulators, (at, x_stride, pitch))
        if target.dram is not None:
            self.store(job, patch, (tiles[0].channel, written), out + base + tiles[0].channel, x_stride, pitch)

    def _next_half(self) -> int:
        """First accumulator of the half that is not draining."""
        self._half ^= 1
        return self._half * self.config.memory.accumulators

    def _accumulators(self, first: int) -> Range:
        # Each half has one read port, so a half belongs to the array or to the output stage as a whole.
        start = first // self.config.memory.accumulators * self.config.memory.accumulators
        return Range(Memory.ACCUMULATOR, start, start + self.config.memory.accumulators)

    def _compute(self, tile: FilterTile, number: int, patch: Patch, source: View, acc: int) -> None:
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
                    layer=self.layer,
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
        skip: View | None,
        patch: Patch,
        acc: int,
        where: tuple[int, int, int],
    ) -> None:
        """Requantise a filter tile. ``where``: first byte in OFM, strides from pixel to pixel and from row to row."""
        (params, load), (ofm, x_stride, pitch) = parameters, where
        channels = self.target.channels
        stop = ofm + (patch.height - 1) * pitch + (patch.width - 1) * x_stride + tile.filters
        reads = [self._accumulators(acc), params]
        address = 0
        if skip is not None:
            address = skip.at(patch.y, patch.x, channels) + self._job.channel_offset + tile.channel
            reads.append(skip.block)
        self.placer.emit(
            Post(
                layer=self.layer,
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
        job, plan, target = self._job, self._plan, self.target
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
                        layer=self.layer,
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
            self.store(job, patch, (0, channels), out, target.channels, target.channels)

    def _source(self, patch: Patch) -> View:
        """The input of a patch, loaded if need be."""
        job, plan = self._job, self._plan
        if plan.source is not None:
            return resident_view(plan.source)
        if plan.kept_input:
            assert self.kept is not None, f"{job.name}: nothing is kept in IFM"
            return self.kept
        run = 0 if job.hold else job.natural_run
        view = self.tile(job.source, input_area(job, patch), job.fill, run, "input")
        self.kept = view
        return view

    def _skip(self, patch: Patch) -> View | None:
        skip = self._job.skip
        if skip is None:
            return None
        if self._plan.skip is not None:
            return resident_view(self._plan.skip)
        if self._plan.kept_skip:
            assert self.kept is not None, f"{self._job.name}: nothing is kept in IFM"
            return self.kept
        return self.tile(skip, Area(patch.y, patch.x, patch.height, patch.width), 0, 0, "skip")

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
            self.load(Space.WEIGHT, block.start, window.filters, dram, columns, size, where)
        else:
            dram = self.constant((self._job.name, number, w), window.size, functools.partial(_bytes_of, window))
            self.load_constant(Space.WEIGHT, dram, where)
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
                block = self.params.put(size)
            elif not self._held_params:
                sizes = [sum(job.tiles[n].param_bytes for n in c) for c in param_chunks(plan)]
                total = sum(aligned(size, self.config.banks) for size in sizes)
                self._room_for_params = Ring(total, self.config.banks, self.params.put(total).start)
                block = self._room_for_params.put(size)
            else:
                block = self._room_for_params.put(size)
            where = Range(Memory.PARAM, block.start, block.stop)
            self._held_params[index] = where
            dram = self.constant((job.name, "params", index), size, functools.partial(_params_of, tiles))
            self.load_constant(Space.PARAM, dram, where)
        start = self._held_params[index].start + sum(tile.param_bytes for tile in tiles[: number - chunk.start])
        needed, self._lanes_hold = self._lanes_hold != number, number
        return Range(Memory.PARAM, start, start + job.tiles[number].param_bytes), needed


def _bytes_of(window: Window) -> NDArray[np.uint8]:
    return window.weights.view(np.uint8).ravel()


def _params_of(tiles: tuple[FilterTile, ...]) -> NDArray[np.uint8]:
    return np.concatenate([tile.params for tile in tiles])
