"""What the mapper needs to know of a job, as numbers: all that does not depend on how it is cut."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.mapping.mapper import filter_tiles_that_fit
from compiler.mapping.plan import Area, aligned
from compiler.mapping.tiling import input_pitch

if TYPE_CHECKING:
    from collections.abc import Hashable

    from compiler.mapping.job import Job, Window
    from rtl.config import ArchConfig

__all__ = ["GroupShape", "JobShape", "job_shape", "signature"]


@dataclass(frozen=True, slots=True)
class GroupShape:
    """Filter tiles that go together over the patches."""

    size: int
    count: int
    """Groups."""
    channels: int
    """Of the first one, which is the largest."""
    reloads: bool
    """Its weights exceed the scratchpad, so that they come again for every patch."""
    weights_fit: bool
    """Those of every group fit, rounded up to whole words."""


@dataclass(frozen=True, slots=True, eq=False)
class JobShape:
    """A job on an array, whatever the scratchpads."""

    job: Job
    groups: tuple[GroupShape, ...]
    """The loop orders that the mapper compares."""
    kinds: tuple[tuple[int, int, int, int], ...]
    """Windows that stream alike: how many over all filter tiles, their run and their taps along x and y."""
    weights: int
    params: int
    filters: int
    """Bytes, and output channels, of all filter tiles."""
    whole_input: tuple[object, ...]
    """What :class:`compiler.mapping.planner` tells this input in IFM by, if it is read at once."""


def job_shape(job: Job, config: ArchConfig) -> JobShape:
    """The numbers of ``job`` on ``config``; of its memories only the weight scratchpad matters."""
    kinds = Counter((w.run, w.kx, w.ky) for tile in job.tiles for w in tile.windows)
    area = _whole(job)
    padded = any(area.inside(*job.in_shape[:2]))
    pitch = input_pitch(area.cols, job.in_shape[2], 0 if job.hold else job.natural_run, config.banks)
    sizes = dict.fromkeys((len(job.tiles) if job.hold else filter_tiles_that_fit(job, config), len(job.tiles)))
    return JobShape(
        job=job,
        groups=tuple(_group(job, config, size) for size in sizes),
        kinds=tuple((count, *kind) for kind, count in kinds.items()),
        weights=sum(tile.weight_bytes for tile in job.tiles),
        params=sum(tile.param_bytes for tile in job.tiles),
        filters=sum(tile.filters for tile in job.tiles),
        whole_input=(job.source, area, pitch, job.fill if padded else None),
    )


def signature(job: Job) -> Hashable:
    """Equal for two jobs that do the same to whatever tensors: planned alike, they have the same events."""
    tiles = tuple((tile.channel, tile.filters, tuple(map(_geometry, tile.windows))) for tile in job.tiles)
    place = job.in_shape, job.out_shape, job.kernel, job.strides, job.pads, job.natural_run, job.channel_offset
    kind = job.accumulate, job.depthwise, job.reuse_weights, job.hold, job.skip is None, job.weights_from is None
    return place, kind, tiles


def _geometry(window: Window) -> tuple[object, ...]:
    return (
        window.rows, window.filters, window.run, window.kx, window.ky, window.step_x, window.step_y, window.weights_at
    )  # fmt: skip


def _whole(job: Job) -> Area:
    """The input under all pixels of the output."""
    if job.hold:
        return Area(0, 0, *job.in_shape[:2])
    (height, width, _), (down, across) = job.out_shape, job.strides
    rows, cols = (height - 1) * down + job.kernel[0], (width - 1) * across + job.kernel[1]
    return Area(-job.pads[0], -job.pads[1], rows, cols)


def _group(job: Job, config: ArchConfig, size: int) -> GroupShape:
    memory = config.memory.weight_kib * 1024
    parts = [job.tiles[k : k + size] for k in range(0, len(job.tiles), size)]
    words = [sum(aligned(w.size, config.banks) for tile in part for w in tile.windows) for part in parts]
    return GroupShape(
        size=size,
        count=len(parts),
        channels=sum(tile.filters for tile in parts[0]),
        reloads=max(sum(tile.weight_bytes for tile in part) for part in parts) > memory,
        weights_fit=max(words) <= memory,
    )
