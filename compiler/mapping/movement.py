"""What moves data for every engine: tiles and constants in from DRAM, results out to it, padding around what stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.mapping.memory import Ring
from compiler.mapping.tiling import input_pitch
from compiler.program.chaining import chaining_rows
from compiler.program.hazards import Memory, Range, TokenPlacer
from rtl.isa import Fill, Load, PostFill, Space, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import numpy as np
    from numpy.typing import NDArray

    from compiler.mapping.image import ImageBuilder
    from compiler.mapping.job import Job
    from compiler.mapping.plan import Area
    from compiler.mapping.resident import Resident
    from compiler.mapping.tiling import Patch
    from rtl.config import ArchConfig

__all__ = ["MAX_ROW_BYTES", "Movement", "Target", "View", "resident_view"]

MAX_ROW_BYTES = (1 << 20) - 1
"""Most that one row of a LOAD or a STORE takes."""


@dataclass(frozen=True, slots=True)
class Target:
    """The tensor that a job writes: its address in DRAM if it goes there, and the channels of the whole of it."""

    dram: int | None
    channels: int
    """Several jobs may write it."""


@dataclass(frozen=True, slots=True)
class View:
    """A tensor, or a tile of one, in a scratchpad. Pixel (y, x) is at ``origin + y * pitch + x * channels``."""

    space: Space
    origin: int
    pitch: int
    block: Range

    def at(self, y: int, x: int, channels: int) -> int:
        """Byte of a pixel."""
        return self.origin + y * self.pitch + x * channels


class Movement:
    """Scratchpads that are written from DRAM, the constants there, and the instructions that move what is in either."""

    def __init__(self, config: ArchConfig, image: ImageBuilder) -> None:
        self.config = config
        self.image = image
        self._constants: dict[Hashable, int] = {}
        self.begin_segment()

    def begin_segment(self) -> None:
        """Start a program of its own. It finds nothing in the scratchpads."""
        memory, align = self.config.memory, self.config.banks
        self.placer = TokenPlacer(chaining_rows(self.config))
        self.ifm = Ring(memory.ifm_kib * 1024, align)
        self.params = Ring(memory.param_kib * 1024, align)
        self.kept: View | None = None
        """The last tile that was loaded into IFM as a layer's input."""

    def begin(self, layer: int, target: Target, held_bytes: int) -> None:
        """What comes counts for ``layer`` and writes ``target``; ``held_bytes`` of tiles stay in IFM meanwhile."""
        self.layer, self.target = layer, target
        self._held_tiles: dict[tuple[str, Area], View] = {}
        self._room_for_tiles: Ring | None = None
        if held_bytes:
            self._room_for_tiles = Ring(held_bytes, self.config.banks, self.ifm.put(held_bytes).start)

    def fill_margin(self, resident: Resident) -> None:
        """Write the padding around a tensor that is about to be produced."""
        for start, rows, row_bytes in resident.fills():
            stop = start + (rows - 1) * resident.pitch + row_bytes
            self.placer.emit(
                PostFill(
                    layer=self.layer,
                    value=resident.margin.fill,
                    spad=start,
                    rows=rows,
                    row_bytes=row_bytes,
                    spad_stride=resident.pitch,
                ),
                writes=(Range(Memory.OFM, start, stop),),
            )

    def tile(self, tensor: str, area: Area, fill: int, natural_run: int, role: str) -> View:
        """An area of ``tensor`` in IFM, loaded from DRAM unless it is held there."""
        if held := self._held_tiles.get((role, area)):
            return held
        placement = self.image.tensors[tensor]
        channels = placement.shape[2]
        pitch = input_pitch(area.cols, channels, natural_run, self.config.banks)
        block = (self._room_for_tiles or self.ifm).put(area.rows * pitch)
        origin = block.start - area.y * pitch - area.x * channels
        view = View(Space.IFM, origin, pitch, Range(Memory.IFM, block.start, block.stop))
        self._load_tile(view, placement.address, placement.shape, (area.y, area.x, area.rows, area.cols), fill)
        if self._room_for_tiles is not None:
            self._held_tiles[role, area] = view
        return view

    def _load_tile(
        self, view: View, dram: int, shape: tuple[int, int, int], area: tuple[int, int, int, int], fill: int
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
                        layer=self.layer,
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
            self.load(
                Space.IFM,
                inner + left * channels,
                view.pitch,
                first,
                width * channels,
                (inner_rows, inner_cols * channels),
                view.block,
            )

    def load(
        self, space: Space, spad: int, spad_stride: int, dram: int, stride: int, size: tuple[int, int], block: Range
    ) -> None:
        """``size`` is the rows and the bytes of each; they become one where they lie behind one another."""
        rows, row_bytes = size
        if rows == 1 or (row_bytes == spad_stride == stride and rows * row_bytes <= MAX_ROW_BYTES):
            rows, row_bytes, stride, spad_stride = 1, rows * row_bytes, 0, 0
        self.placer.emit(
            Load(
                layer=self.layer,
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

    def load_constant(self, space: Space, dram: int, block: Range) -> None:
        """A constant, whole. Nothing writes constants, so reading them is no hazard."""
        load = Load(
            layer=self.layer,
            space=space,
            dram=dram,
            spad=block.start,
            rows=1,
            row_bytes=block.stop - block.start,
            dram_stride=0,
            spad_stride=0,
        )
        self.placer.emit(load, writes=(block,))

    def constant(self, key: Hashable, size: int, make: Callable[[], NDArray[np.uint8]]) -> int:
        """Address of a constant, the same whenever it is asked for."""
        if key not in self._constants:
            self._constants[key] = self.image.constant(size, make)
        return self._constants[key]

    def store(self, job: Job, patch: Patch, channels: tuple[int, int], ofm: int, x_stride: int, pitch: int) -> None:
        """A finished tile to DRAM, in as few rows as its layout allows. ``channels``: the job's first, and how many."""
        target = self.target
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
        if rows == 1 or (pitch == row_bytes == stride and rows * row_bytes <= MAX_ROW_BYTES):
            rows, row_bytes, pitch, stride = 1, rows * row_bytes, 0, 0
        self.placer.emit(
            Store(
                layer=self.layer,
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


def resident_view(r: Resident) -> View:
    """A tensor that stays in OFM."""
    return View(Space.OFM, r.origin, r.pitch, Range(Memory.OFM, r.block.start, r.block.stop))
