"""Cycles and events of the compute and post-processing engines: what :mod:`rtl.dense.compute` and
:mod:`rtl.dense.post` do, in closed form.

A COMPUTE issued in cycle t loads its first weight tile from t + 3 on, a row per cycle. A tile streams its vectors, one
per cycle, as soon as its weights are in and the tile before has streamed; while it streams, the next tile loads. So
tile k starts ``max(vectors, rows_k)`` cycles after tile k - 1, and nothing is lost between instructions either, as
long as the next one is issued in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtl.isa import PARAM_BYTES, AccumulateOp, Compute, Post, PostConfig, PostFill, Space

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = [
    "COMPUTE_DECODE",
    "GATHER_LATENCY",
    "LANE_LATENCY",
    "POST_DECODE",
    "POST_TAIL",
    "ComputeTiming",
    "PostTiming",
    "ReductionTiles",
    "compute_events",
    "post_events",
    "reduction_tiles",
    "vectors_per_tile",
]

LANE_LATENCY = 10
"""Cycles from a lane's drain control to its output byte."""
GATHER_LATENCY = 3
"""Cycles from a vector's pixel address to the array's input."""
COMPUTE_DECODE = 3
"""Cycles from the issue of a COMPUTE to the first weight row's read."""
POST_DECODE = 3
"""Cycles from the issue of a post-processing instruction to its first action."""
POST_TAIL = 3
"""Cycles that the side bus needs after the last vector of a POST before the next one may be issued."""


@dataclass(frozen=True, slots=True)
class ReductionTiles:
    """How a COMPUTE cuts its reduction: ``full`` tiles of ``rows`` rows and ``tails`` of ``tail`` rows."""

    full: int
    rows: int
    tails: int
    tail: int
    first: int
    """Rows of the first tile."""

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
        return ReductionTiles(full=0, rows=rows, tails=i.ky, tail=i.kx, first=i.kx)
    length, runs = (i.run * i.kx * i.ky, 1) if i.flatten else (i.run, i.kx * i.ky)
    full, tail = divmod(length, rows)
    return ReductionTiles(
        full=full * runs, rows=rows, tails=runs if tail else 0, tail=tail, first=rows if full else tail
    )


def vectors_per_tile(i: Compute) -> int:
    """Vectors that stream through the array for each reduction tile."""
    width = (i.out_w - 1) * i.kx_stride + i.kx if i.depthwise else i.out_w
    return width * i.out_h


class ComputeTiming:
    """The compute engine over a sequence of instructions."""

    def __init__(self, config: ArchConfig) -> None:
        self._rows = config.dense.rows
        self._ready = 0
        self._stream_free = 0

    def ready(self) -> int:
        """First cycle in which the engine takes another instruction."""
        return self._ready

    def issue(self, cycle: int, i: Compute) -> int:
        """The cycle in which ``i``, issued in ``cycle``, retires."""
        tiles = reduction_tiles(i, self._rows)
        vectors = vectors_per_tile(i)
        first = max(cycle + COMPUTE_DECODE + tiles.first, self._stream_free)
        last = first + tiles.spacing(vectors)
        self._ready = last
        self._stream_free = last + vectors
        return last + vectors - 1 + GATHER_LATENCY + self._rows


def compute_events(i: Compute, rows: int) -> dict[str, int]:
    """Events of ``i`` on an array of ``rows`` rows, by counter."""
    tiles = reduction_tiles(i, rows)
    streamed = vectors_per_tile(i)
    sums = i.out_w * i.out_h * i.filters
    act_bytes = streamed * (i.run * tiles.count if i.depthwise else tiles.total_rows)
    weight_rows = tiles.total_rows
    first = 0 if i.op == AccumulateOp.ADD else (i.filters if i.hold else sums)
    return {
        "macs": sums * tiles.total_rows,
        "stream_cycles": streamed * tiles.count,
        "weight_tiles": tiles.count,
        "ifm_read_bytes": act_bytes if i.source == Space.IFM else 0,
        "ofm_read_bytes": act_bytes if i.source == Space.OFM else 0,
        "weight_read_bytes": weight_rows * i.filters,
        "acc_reads": sums * tiles.count - first,
        "acc_writes": sums * tiles.count,
    }


class PostTiming:
    """The post-processing engine over a sequence of instructions."""

    def __init__(self, config: ArchConfig) -> None:
        self._latency = LANE_LATENCY + config.dense.cols - 1
        self._banks = config.banks
        self._ready = 0
        self._drained = 0

    def ready(self) -> int:
        """First cycle in which the engine takes another instruction."""
        return self._ready

    def issue(self, cycle: int, i: Post | PostConfig | PostFill) -> int:
        """The cycle in which ``i``, issued in ``cycle``, retires."""
        start = cycle + POST_DECODE
        if isinstance(i, Post):
            last = start + PARAM_BYTES * i.load_params + i.out_w * i.out_h - 1
            self._ready = last + 1 + POST_TAIL
            self._drained = last + self._latency + 1
            return last + self._latency
        done = max(start, self._drained)
        if isinstance(i, PostFill):
            done += i.rows * -(-i.row_bytes // self._banks)
        self._ready = done + 1
        return done + 1


def post_events(i: Post | PostConfig | PostFill) -> dict[str, int]:
    """Events of ``i``, by counter."""
    if isinstance(i, Post):
        values = i.out_w * i.out_h * i.filters
        skipped = values * i.residual
        return {
            "requantized": values,
            "param_read_bytes": PARAM_BYTES * i.filters * i.load_params,
            "skip_ifm_bytes": skipped if i.skip_source == Space.IFM else 0,
            "skip_ofm_bytes": skipped if i.skip_source == Space.OFM else 0,
            "ofm_write_bytes": values,
        }
    written = i.rows * i.row_bytes if isinstance(i, PostFill) else 0
    return {"requantized": 0, "param_read_bytes": 0, "skip_ifm_bytes": 0, "skip_ofm_bytes": 0, "ofm_write_bytes": written}
