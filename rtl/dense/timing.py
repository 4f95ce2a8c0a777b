"""Cycles and events of the dense compute engine, in closed form.

What :mod:`rtl.dense.weight_stationary` and :mod:`rtl.dense.output_stationary` do.

A COMPUTE issued in cycle t walks its first reduction tile from t + 3 on, a row per cycle. Tiles stream one after the
other; while one streams, the next is walked. A tile starts when it has been walked and the one before has streamed, and
nothing is lost between instructions either, as long as the next one is issued in time. The weight-stationary array
starts the tile of a short COMPUTE (one tile, of one run) as soon as its first row has been walked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtl.isa import AccumulateOp, Compute, Space

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = [
    "COMPUTE_DECODE",
    "GATHER_LATENCY",
    "ComputeTiming",
    "OutputStationaryTiming",
    "ReductionTiles",
    "WeightStationaryTiming",
    "compute_events",
    "compute_timing",
    "is_short",
    "reduction_tiles",
    "vectors_per_tile",
]

GATHER_LATENCY = 3
"""Cycles from a vector's pixel address to the array's input."""
COMPUTE_DECODE = 3
"""Cycles from the issue of a COMPUTE to the first weight row's read."""


@dataclass(frozen=True, slots=True)
class ReductionTiles:
    """How a COMPUTE cuts its reduction: ``full`` tiles of ``rows`` rows and ``tails`` of ``tail`` rows."""

    full: int
    rows: int
    tails: int
    tail: int
    first: int
    """Rows of the first tile."""
    last: int
    """Rows of the last tile."""

    @property
    def count(self) -> int:
        """Weight tiles."""
        return self.full + self.tails

    @property
    def total_rows(self) -> int:
        """Rows over all tiles: the length of the reduction."""
        return self.full * self.rows + self.tails * self.tail

    def spacing(self, vectors: int) -> int:
        """Cycles from the start of the first tile to the start of the last."""
        whole = self.full * max(vectors, self.rows) + self.tails * max(vectors, self.tail)
        return whole - max(vectors, self.first)


def reduction_tiles(i: Compute, rows: int) -> ReductionTiles:
    """The reduction tiles of ``i`` on an array of ``rows`` rows."""
    if i.depthwise:
        return ReductionTiles(full=0, rows=rows, tails=i.ky, tail=i.kx, first=i.kx, last=i.kx)
    length, runs = (i.run * i.kx * i.ky, 1) if i.flatten else (i.run, i.kx * i.ky)
    full, tail = divmod(length, rows)
    return ReductionTiles(
        full=full * runs, rows=rows, tails=runs if tail else 0, tail=tail,
        first=rows if full else tail, last=tail or rows,
    )  # fmt: skip


def is_short(i: Compute, rows: int) -> bool:
    """Whether ``i`` is one tile of one run on an array of ``rows`` rows: its weights load beside its own stream."""
    return i.run <= rows and i.kx == 1 and i.ky == 1 and not i.depthwise


def vectors_per_tile(i: Compute) -> int:
    """Vectors that stream through the array for each reduction tile."""
    width = (i.out_w - 1) * i.kx_stride + i.kx if i.depthwise else i.out_w
    return width * i.out_h


class WeightStationaryTiming:
    """The weight-stationary compute engine over a sequence of instructions.

    A tile streams all pixels, so tile k starts ``max(vectors, rows_k)`` cycles after tile k - 1. A chained instruction
    gives POST its token when the first sum of its last tile is written.
    """

    def __init__(self, config: ArchConfig) -> None:
        self._rows = config.dense.rows
        self._ready = 0
        self._stream_free = 0
        self._first_sum = 0

    def ready(self) -> int:
        """First cycle in which the engine takes another instruction."""
        return self._ready

    def early(self) -> int:
        """The cycle in which the instruction issued last, if chained, gives POST its token."""
        return self._first_sum

    def issue(self, cycle: int, i: Compute) -> int:
        """The cycle in which ``i``, issued in ``cycle``, retires."""
        tiles = reduction_tiles(i, self._rows)
        vectors = vectors_per_tile(i)
        walked = cycle + COMPUTE_DECODE + tiles.first
        known = cycle + COMPUTE_DECODE + 1 if is_short(i, self._rows) else walked
        first = max(known, self._stream_free)
        last = first + tiles.spacing(vectors)
        self._ready = max(last, walked)
        self._stream_free = last + vectors
        self._first_sum = last + GATHER_LATENCY + self._rows
        return last + vectors - 1 + GATHER_LATENCY + self._rows


class OutputStationaryTiming:
    """The output-stationary compute engine over a sequence of instructions.

    Pixels come in blocks of as many as the array has rows; each block walks all tiles. A tile takes as many cycles as
    a full block has pixels, or as it has rows.
    """

    def __init__(self, config: ArchConfig) -> None:
        self._rows = config.dense.rows
        self._ready = 0
        self._stream_free = 0
        self._leaving = 0
        self._leaving_until = 0

    def ready(self) -> int:
        """First cycle in which the engine takes another instruction."""
        return self._ready

    def early(self) -> int:
        """Never asked for: a chained instruction is a fault here."""
        raise ValueError("the output-stationary array does not chain")

    def issue(self, cycle: int, i: Compute) -> int:
        """The cycle in which ``i``, issued in ``cycle``, retires."""
        tiles = reduction_tiles(i, self._rows)
        pixels = i.out_w * i.out_h
        block = min(self._rows, pixels)
        blocks = -(-pixels // self._rows)
        first = max(cycle + COMPUTE_DECODE + tiles.first, self._stream_free)
        if block < self._leaving:
            # Smaller blocks would catch up with the sums that are leaving.
            first = max(first, self._leaving_until)
        tile_cycles = self._rows if tiles.full else max(block, tiles.tail)
        last = first + (tiles.count * blocks - 1) * tile_cycles
        self._ready = last
        end = last + max(block, tiles.last)
        self._stream_free = end
        self._leaving = pixels - (blocks - 1) * self._rows
        self._leaving_until = end + self._leaving + 1
        return end - 1 + self._leaving + GATHER_LATENCY + 1


ComputeTiming = WeightStationaryTiming | OutputStationaryTiming


def compute_timing(config: ArchConfig) -> ComputeTiming:
    """The timing of the compute engine that ``config`` has."""
    if config.dense.dataflow == "output_stationary":
        return OutputStationaryTiming(config)
    return WeightStationaryTiming(config)


def compute_events(i: Compute, config: ArchConfig) -> dict[str, int]:
    """Events of ``i`` on the array of ``config``, by counter."""
    rows = config.dense.rows
    tiles = reduction_tiles(i, rows)
    pixels = i.out_w * i.out_h
    sums = pixels * i.filters
    written_once = 0 if i.op == AccumulateOp.ADD else (i.filters if i.hold else sums)
    if config.dense.dataflow == "output_stationary":
        passes = -(-pixels // rows)
        block = min(rows, pixels)
        streamed = passes * (tiles.full * rows + tiles.tails * max(block, tiles.tail))
        act_bytes = pixels * tiles.total_rows
        writes = sums * (tiles.count if i.op == AccumulateOp.MAX else 1)
    else:
        passes = 1
        vectors = vectors_per_tile(i)
        streamed = vectors * tiles.count
        act_bytes = vectors * (i.run * tiles.count if i.depthwise else tiles.total_rows)
        writes = sums * tiles.count
    return {
        "macs": sums * tiles.total_rows,
        "stream_cycles": streamed,
        "weight_tiles": tiles.count * passes,
        "ifm_read_bytes": act_bytes if i.source == Space.IFM else 0,
        "ofm_read_bytes": act_bytes if i.source == Space.OFM else 0,
        "weight_read_bytes": tiles.total_rows * i.filters * passes,
        "acc_reads": writes - written_once,
        "acc_writes": writes,
    }
