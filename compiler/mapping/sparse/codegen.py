"""Plans of the sparse engine to instructions: which bytes are where when each of them runs."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from compiler.mapping.memory import Ring
from compiler.mapping.movement import MAX_ROW_BYTES, Movement, Target, View, resident_view
from compiler.mapping.plan import Area, input_area
from compiler.mapping.sparse.nest import nests
from compiler.mapping.sparse.plan import ChannelBlock, Loading, SparsePlan, steps
from compiler.mapping.tiling import Patch, patches
from compiler.program.hazards import Memory, Range
from compiler.sparse.image import codebook_image, pointer_image, spmat_image
from rtl.isa import PARAM_BYTES, Load, Space, Sparse, SparsePost
from rtl.sparse.layout import SparseLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import numpy as np
    from numpy.typing import NDArray

    from compiler.sparse.blocks import ColumnBlock
    from rtl.config import ArchConfig

__all__ = ["SparseCodegen"]


class SparseCodegen:
    """Emits the instructions of sparse plans into the program of ``movement``, whose scratchpads it shares."""

    def __init__(self, config: ArchConfig, movement: Movement) -> None:
        self.config = config
        self.sparse = config.sparse
        self.movement = movement
        self.layout = SparseLayout(config)
        self._half = 0
        self._table = 0
        self.begin_segment()

    def begin_segment(self) -> None:
        """Start a program of its own. It finds nothing in the engine's memories."""
        self._spmat = Ring(self.layout.spmat_bytes, self.layout.row_stride)
        self._pointers = Ring(self.layout.pointer_bytes, self.layout.pointer_stride)

    def job(self, plan: SparsePlan, layer: int, target: Target) -> None:
        """Emit what ``plan`` says; its instructions count for ``layer``."""
        move, job, cut = self.movement, plan.job, plan.cut
        self._plan, self._job, self._layer, self._target = plan, job, layer, target
        self._held: dict[tuple[int, int], tuple[Range, Range]] = {}
        self._channels_of_params = range(0)
        move.begin(layer, target, cut.held_bytes)
        if plan.fills_margin and plan.target is not None:
            move.fill_margin(plan.target)
        move.placer.emit(dataclasses.replace(job.constants, layer=layer))
        self._codebook = self._load_codebook()
        self._staging = Ring(plan.staging.size, self.config.banks, plan.staging.start)
        self._reserve(cut.blocks if cut.loading is Loading.ONCE else ())
        for group in cut.groups:
            if cut.loading is Loading.PER_BLOCK:
                self._held.clear()
                self._reserve(group)
            for tile in patches(job, cut.tile):
                self._tile(tile, group)

    def _reserve(self, blocks: tuple[ChannelBlock, ...]) -> None:
        """Room for all weights of ``blocks``, which stay; for none, weights pass through."""
        self._room = self._spmat, self._pointers
        if blocks:
            parts = [part for block in blocks for part in block.columns]
            rows = sum(part.rows(self.sparse) for part in parts) * self.layout.row_stride
            pointers = sum(part.columns + 1 for part in parts) * self.layout.pointer_stride
            self._room = (
                Ring(rows, self.layout.row_stride, self._spmat.put(rows).start),
                Ring(pointers, self.layout.pointer_stride, self._pointers.put(pointers).start),
            )

    def _tile(self, tile: Patch, group: tuple[ChannelBlock, ...]) -> None:
        """One tile of output pixels, of channel blocks that go over it together."""
        job, move, resident, channels = self._job, self.movement, self._plan.target, self._target.channels
        first, written = group[0].first, sum(block.channels for block in group)
        if resident is not None:
            x_stride, pitch = channels, resident.pitch
            out = resident.origin + tile.y * pitch + tile.x * x_stride + job.channel_offset + first
        else:
            x_stride, pitch = written, tile.width * written
            out = self._staging.put(tile.height * pitch).start
        source, skip = self._source(tile), None
        for block in group:
            for step in steps(tile, self._plan.cut.step):
                acc = self._next_half()
                self._multiply(block, step, source, acc)
                skip = skip or self._skip(tile)
                at = out + (step.y - tile.y) * pitch + (step.x - tile.x) * x_stride + block.first - first
                self._post(block, step, skip, acc, (at, x_stride, pitch))
        if self._target.dram is not None:
            move.store(job, tile, (first, written), out, x_stride, pitch)

    def _next_half(self) -> int:
        """First sum of the half that is not draining."""
        self._half ^= 1
        return self._half * self.sparse.accumulators

    def _sums(self, acc: int) -> Range:
        return Range(Memory.SUM, acc, acc + self.sparse.accumulators)

    def _source(self, tile: Patch) -> View:
        if self._plan.source is not None:
            return resident_view(self._plan.source)
        view = self.movement.tile(self._job.source, input_area(self._job, tile), self._job.fill, 0, "input")
        self.movement.kept = None
        return view

    def _skip(self, tile: Patch) -> View | None:
        if self._job.skip is None:
            return None
        if self._plan.skip is not None:
            return resident_view(self._plan.skip)
        return self.movement.tile(self._job.skip, Area(tile.y, tile.x, tile.height, tile.width), 0, 0, "skip")

    def _multiply(self, block: ChannelBlock, step: Patch, source: View, acc: int) -> None:
        """All columns of the matrix, as many at a time as are loaded, over the vectors of a step."""
        job, depth = self._job, self._job.in_shape[2]
        y, x = step.y * job.strides[0] - job.pads[0], step.x * job.strides[1] - job.pads[1]
        for number, part in enumerate(block.columns):
            spmat, pointers = self._load_weights(block, number, part)
            for nest in nests(job, part.start, part.stop):
                at = source.at(y + nest.row * job.dilations[0], x + nest.tap * job.dilations[1], depth)
                self.movement.placer.emit(
                    Sparse(
                        layer=self._layer,
                        source=source.space,
                        act=at + nest.channel,
                        out_w=step.width,
                        out_h=step.height,
                        x_stride=job.strides[1] * depth if step.width > 1 else 0,
                        y_stride=job.strides[0] * source.pitch if step.height > 1 else 0,
                        run=nest.run,
                        kx=nest.kx,
                        kx_stride=job.dilations[1] * depth if nest.kx > 1 else 0,
                        ky=nest.ky,
                        ky_stride=job.dilations[0] * source.pitch if nest.ky > 1 else 0,
                        zero_point=job.fill,
                        column=pointers.start // self.layout.pointer_stride + nest.column - part.start,
                        entry=spmat.start // self.layout.row_stride,
                        acc=acc,
                        acc_stride=block.rows,
                        table=self._table,
                    ),
                    reads=(source.block, spmat, pointers, self._codebook),
                    writes=(self._sums(acc),),
                )

    def _post(self, block: ChannelBlock, step: Patch, skip: View | None, acc: int, where: tuple[int, int, int]) -> None:
        """Drain the sums. ``where``: first byte in OFM, strides from pixel to pixel and from row to row."""
        ofm, x_stride, pitch = where
        params, channels = self._load_params(block), self._target.channels
        stop = ofm + (step.height - 1) * pitch + (step.width - 1) * x_stride + block.channels
        reads = [self._sums(acc), params]
        address = 0
        if skip is not None:
            address = skip.at(step.y, step.x, channels) + self._job.channel_offset + block.first
            reads.append(skip.block)
        self.movement.placer.emit(
            SparsePost(
                layer=self._layer,
                acc=acc,
                acc_stride=block.rows,
                out_w=step.width,
                out_h=step.height,
                channels=block.channels,
                ofm=ofm,
                x_stride=x_stride if step.width > 1 else 0,
                y_stride=pitch if step.height > 1 else 0,
                params=params.start,
                residual=int(skip is not None),
                skip_source=skip.space if skip else Space.IFM,
                skip=address,
                skip_x_stride=channels if skip and step.width > 1 else 0,
                skip_y_stride=skip.pitch if skip and step.height > 1 else 0,
            ),
            reads=tuple(reads),
            # It leaves zeros behind.
            writes=(Range(Memory.OFM, ofm, stop), self._sums(acc)),
        )

    def _load_weights(self, block: ChannelBlock, number: int, part: ColumnBlock) -> tuple[Range, Range]:
        """Entries and pointers of a block of columns, in the engine's memories."""
        key = (block.first, number)
        if held := self._held.get(key):
            return held
        rows = part.rows(self.sparse) * self.layout.row_stride
        pointers = (part.columns + 1) * self.layout.pointer_stride
        spmat_room, pointer_room = self._room
        make = functools.partial
        where = (
            self._load(Space.SPMAT, spmat_room, rows, ("spmat", *key), make(spmat_image, part, self.config)),
            self._load(
                Space.POINTER, pointer_room, pointers, ("pointer", *key), make(pointer_image, part, self.config)
            ),
        )
        if self._plan.cut.loading is not Loading.PER_STEP:
            self._held[key] = where
        return where

    def _load_codebook(self) -> Range:
        """The layer's table of weights, behind the one of the layer before; nothing where codes are weights."""
        values = self._job.codes.values
        if values is None:
            return Range(Memory.CODEBOOK, 0, 0)
        self._table = (self._table + 1) % self.sparse.tables
        size = self.layout.codebook_bytes // self.sparse.tables
        ring = Ring(size, 1, self._table * size)
        return self._load(
            Space.CODEBOOK, ring, size, ("codebook",), functools.partial(codebook_image, values, self.config)
        )

    def _load(
        self, space: Space, room: Ring, size: int, key: tuple[Hashable, ...], make: Callable[[], NDArray[np.uint8]]
    ) -> Range:
        """A constant into a memory of the engine, in as many pieces as LOAD asks for."""
        move, beat = self.movement, self.config.bus.data_bytes
        where = Range(Memory(space), 0, 0)
        if size == 0:
            return where
        block = room.put(size)
        dram = move.constant((self._job.name, *key), size, make)
        most = MAX_ROW_BYTES // beat * beat
        for start in range(0, size, most):
            piece = Load(
                layer=self._layer,
                space=space,
                dram=dram + start,
                spad=block.start + start,
                rows=1,
                row_bytes=min(most, size - start),
                dram_stride=0,
                spad_stride=0,
            )
            where = Range(Memory(space), block.start + start, block.start + start + piece.row_bytes)
            move.placer.emit(piece, writes=(where,))
        return Range(Memory(space), block.start, block.stop)

    def _load_params(self, block: ChannelBlock) -> Range:
        """Parameters of a channel block: of all channels at once where they fit, else when its turn comes."""
        job, move = self._job, self.movement
        if block.first not in self._channels_of_params:
            whole = job.filters * PARAM_BYTES <= self.config.memory.param_kib * 1024
            self._channels_of_params = range(job.filters) if whole else range(block.first, block.first + block.channels)
            held = self._channels_of_params
            room = move.params.put(len(held) * PARAM_BYTES)
            self._params_at = Range(Memory.PARAM, room.start, room.stop)
            dram = move.constant(
                (job.name, "params", held.start), room.size, functools.partial(_params_of, job.make_params, held)
            )
            move.load_constant(Space.PARAM, dram, self._params_at)
        start = self._params_at.start + (block.first - self._channels_of_params.start) * PARAM_BYTES
        return Range(Memory.PARAM, start, start + block.channels * PARAM_BYTES)


def _params_of(make: Callable[[], NDArray[np.uint8]], channels: range) -> NDArray[np.uint8]:
    return make()[channels.start * PARAM_BYTES : channels.stop * PARAM_BYTES]
