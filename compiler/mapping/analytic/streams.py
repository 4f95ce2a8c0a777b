"""The COMPUTEs of a plan, as what the array does for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compiler.mapping.plan import flattens
from rtl.dense.timing import GATHER_LATENCY
from rtl.isa import AccumulateOp

if TYPE_CHECKING:
    from compiler.mapping.job import Window
    from compiler.mapping.plan import Plan
    from compiler.mapping.tiling import Patch
    from rtl.config import ArchConfig

__all__ = ["Stream", "Streams"]


class Stream(NamedTuple):
    """A COMPUTE."""

    walk: int
    """Rows walked before the first tile."""
    spacing: int
    """Cycles from the start of the first tile to that of the last."""
    vectors: int
    """Cycles from there until the next COMPUTE may start."""
    leave: int
    """Cycles from there to the retirement."""
    summed: int
    """Cycles from there to when a POST of the sums gets its token: fewer, even below 0, if it is chained."""
    block: int
    """Pixels of a full block, output-stationary; a COMPUTE of smaller ones waits for sums that are leaving."""
    leaving: int
    """Sums that leave behind it; 0 if weight-stationary."""
    beside: int = 0
    """Rows walked beside the first tile."""


class Streams:
    """Those of one plan, each worked out once."""

    def __init__(self, plan: Plan, config: ArchConfig) -> None:
        self._plan = plan
        self._config = config
        self._kinds = [
            tuple([(w.run, w.kx, w.ky, w.step_x, w.step_y) for w in tile.windows]) for tile in plan.job.tiles
        ]
        self._found: dict[tuple[int, int, int], list[tuple[Stream, ...]]] = {}

    def of(self, patch: Patch, pitch: int) -> list[tuple[Stream, ...]]:
        """Those over a patch, in an input of that row pitch, of each filter tile: one for each window."""
        key = patch.height, patch.width, pitch
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._work_out(patch, pitch)
        return found

    def _work_out(self, patch: Patch, pitch: int) -> list[tuple[Stream, ...]]:
        plan, config = self._plan, self._config
        alike: dict[tuple[tuple[int, ...], ...], tuple[Stream, ...]] = {}
        for tile, kinds in zip(plan.job.tiles, self._kinds, strict=True):
            if kinds not in alike:
                chained = len(kinds) == 1 and plan.job.accumulate == AccumulateOp.SET and not plan.job.hold
                alike[kinds] = tuple(
                    [_stream(plan, config, patch, window, pitch, chained=chained) for window in tile.windows]
                )
        return [alike[kinds] for kinds in self._kinds]


def _stream(plan: Plan, config: ArchConfig, patch: Patch, window: Window, pitch: int, *, chained: bool) -> Stream:
    """As :class:`rtl.dense.timing.ReductionTiles` and the engines' timing have it.

    ``chained``: nothing but the length of the reduction keeps a POST from following the sums.
    """
    job, rows = plan.job, config.dense.rows
    run, kx, ky = window.run, window.kx, window.ky
    pixels = patch.height * patch.width
    if job.depthwise:
        vectors = ((patch.width - 1) * job.strides[1] + kx) * patch.height
        leave = GATHER_LATENCY + rows - 1
        return Stream(kx, (ky - 1) * max(vectors, kx), vectors, leave, leave, 0, 0)
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
        leave = leaving + GATHER_LATENCY
        return Stream(first, spacing, max(block, last), leave, leave, block, leaving)
    whole = full * max(pixels, rows) + tails * max(pixels, tail)
    leave = GATHER_LATENCY + rows - 1
    short = kx == ky == 1 and run <= rows
    walk, beside = (1, first - 1) if short else (first, 0)
    summed = leave - (pixels - 1) if chained and full + tails == 1 else leave
    return Stream(walk, whole - max(pixels, first), pixels, leave, summed, 0, 0, beside)
