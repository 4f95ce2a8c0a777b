"""The candidates of :mod:`compiler.mapping.mapper` for one job, tile sizes and costs, over many scratchpads at once.

Arrays are ``[candidates, situations]``: the same candidates in the same order, by the same arithmetic, so that the
cheapest is the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.mapper import COMPUTE_OVERHEAD, POST_OVERHEAD
from compiler.mapping.tiling import MAX_EXTENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.mapping.points.shape import GroupShape, JobShape
    from rtl.config import ArchConfig

__all__ = ["CutTable", "Situations", "cut_table"]


@dataclass(frozen=True, slots=True, eq=False)
class Situations:
    """What a job finds, ``[situations]``: sizes in bytes (accumulators: entries), and who is in OFM already."""

    ifm: NDArray[np.int64]
    accumulators: NDArray[np.int64]
    ofm_gap: NDArray[np.int64]
    source: NDArray[np.bool_]
    skip: NDArray[np.bool_]
    target: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class CutTable:
    """``[candidates, situations]``: how a job is cut, and what the mapper's closed form takes of it."""

    fits: NDArray[np.bool_]
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    group: NDArray[np.int64]
    """Filter tiles per group."""
    groups: NDArray[np.int64]
    whole: NDArray[np.bool_]
    """All pixels at once."""
    holds_weights: NDArray[np.bool_]
    held_bytes: NDArray[np.int64]
    """Of IFM, for all patches of what is read from DRAM."""
    compute: NDArray[np.int64]
    post: NDArray[np.int64]
    load_bytes: NDArray[np.int64]
    loads: NDArray[np.int64]
    out_bytes: int
    strip: NDArray[np.int64]
    """Bytes of a pixel that a group writes at once."""
    first_bytes: NDArray[np.int64]
    """Of the first input tile; 0 where the input is in OFM."""
    last_pixels: NDArray[np.int64]


def cut_table(shape: JobShape, config: ArchConfig, situations: Situations) -> CutTable:
    """All candidates. Of ``config`` the array, the bus and the weight scratchpad count."""
    parts = [_candidates(shape, group, config, situations) for group in shape.groups]
    fits, height, width = (np.concatenate(column) for column in zip(*(part for part in parts), strict=True))
    each = len(height) // len(shape.groups)

    def column(values: list[int]) -> NDArray[np.int64]:
        return np.repeat(np.array(values, np.int64), each)[:, None]

    groups = shape.groups
    return _costs(
        shape, config, situations, (fits, height, width),
        size=column([g.size for g in groups]), count=column([g.count for g in groups]),
        channels=column([g.channels for g in groups]),
        reloads=column([g.reloads for g in groups]) > 0, stay=column([g.weights_fit for g in groups]) > 0,
    )  # fmt: skip


def _candidates(
    shape: JobShape, group: GroupShape, config: ArchConfig, s: Situations
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Whether a tile fits, its height and width: :func:`compiler.mapping.tiling.choose_tile` for every wish."""
    if shape.job.hold:
        return _pooled(shape, s)
    most, _, _ = shape.job.out_shape
    least = max(16, 4 * config.dense.rows)
    wishes = np.array([*(least << k for k in range(8)), 1 << 40])[:, None]
    pixels = np.minimum(wishes, s.accumulators)
    height_most, width_most, _ = shape.job.out_shape
    width = np.minimum(min(width_most, MAX_EXTENT), pixels)
    height = np.maximum(1, np.minimum(min(most, MAX_EXTENT), pixels // width))
    possible = np.ones(height.shape, bool)
    while True:
        bad = possible & ~_fit(shape, group, config, s, height, width)
        if not bad.any():
            break
        possible &= ~(bad & (height == 1) & (width == 1))
        lower = bad & (height > 1)
        width = np.where(bad & ~lower, (width + 1) // 2, width)
        height = np.where(lower, (height + 1) // 2, height)
    return possible, _even(height_most, height), _even(width_most, width)


def _pooled(shape: JobShape, s: Situations) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """The one way to cut a global pool: rows of the input."""
    height, width, channels = shape.job.in_shape
    width = min(width, MAX_EXTENT)
    rows = np.minimum(min(height, MAX_EXTENT), np.where(s.source, MAX_EXTENT, s.ifm // 2 // (width * channels)))
    possible = (len(shape.job.tiles) <= s.accumulators) & (s.target | (channels <= s.ofm_gap)) & (rows > 0)
    return possible[None], np.maximum(rows, 1)[None], np.full((1, len(rows)), width)


def _fit(
    shape: JobShape,
    group: GroupShape,
    config: ArchConfig,
    s: Situations,
    height: NDArray[np.int64],
    width: NDArray[np.int64],
) -> NDArray[np.bool_]:
    job = shape.job
    out_h, out_w, out_c = job.out_shape
    alone = (height == out_h) & (width == out_w) & (group.channels == shape.filters)
    share = np.where(alone, 1, 2)
    rows = (height - 1) * job.strides[0] + job.kernel[0]
    cols = (width - 1) * job.strides[1] + job.kernel[1]
    ifm = np.where(s.source, 0, rows * _pitch(shape, config, cols))
    if job.skip is not None:
        ifm = ifm + np.where(s.skip, 0, height * width * out_c)
    room = (height * width * group.channels * share <= s.ofm_gap) | s.target
    return (ifm * share <= s.ifm) & room


def _costs(
    shape: JobShape,
    config: ArchConfig,
    s: Situations,
    tiles: tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]],
    *,
    size: NDArray[np.int64],
    count: NDArray[np.int64],
    channels: NDArray[np.int64],
    reloads: NDArray[np.bool_],
    stay: NDArray[np.bool_],
) -> CutTable:
    """What :func:`compiler.mapping.mapper.cut_cost` makes of each, as far as no bandwidth matters."""
    job, (fits, height, width) = shape.job, tiles
    over = job.in_shape if job.hold else job.out_shape
    banks = config.banks
    compute, post = np.zeros(height.shape, np.int64), np.zeros(height.shape, np.int64)
    read, held, patches = np.zeros_like(compute), np.zeros_like(compute), np.zeros_like(compute)
    skips = job.skip is not None
    for h, down in _parts(over[0], height):
        for w, across in _parts(over[1], width):
            n = down * across
            patches += n
            if job.hold:
                rows, cols = h, w
            else:
                rows, cols = (h - 1) * job.strides[0] + job.kernel[0], (w - 1) * job.strides[1] + job.kernel[1]
            held += n * np.where(s.source, 0, _words(rows * _pitch(shape, config, cols), banks))
            if skips:
                held += n * np.where(s.skip, 0, _words(h * w * job.out_shape[2], banks))
            if job.hold:
                continue
            for times, run, kx, ky in shape.kinds:
                compute += n * times * (_stream(shape, config, h, w, (run, kx, ky)) + COMPUTE_OVERHEAD)
            post += n * len(job.tiles) * (h * w + POST_OVERHEAD)
            read += n * np.minimum(rows, job.in_shape[0]) * np.minimum(cols, job.in_shape[1]) * job.in_shape[2]
    rows = np.minimum((height - 1) * job.strides[0] + job.kernel[0], job.in_shape[0])
    cols = np.minimum((width - 1) * job.strides[1] + job.kernel[1], job.in_shape[1])
    tile_bytes = rows * _pitch(shape, config, cols)
    inputs = np.where(s.source, 0, np.where(patches * tile_bytes <= s.ifm, read, read * count))
    out_bytes = job.out_shape[0] * job.out_shape[1] * shape.filters
    skip_bytes = np.where(s.skip, 0, out_bytes * count) if skips else 0
    weights = shape.weights * np.where(reloads, patches, 1)
    whole = (height >= over[0]) & (width >= over[1])
    return CutTable(
        fits=fits,
        height=height,
        width=width,
        group=np.broadcast_to(size, height.shape),
        groups=np.broadcast_to(count, height.shape),
        whole=whole,
        holds_weights=stay & ~whole,
        held_bytes=held,
        compute=compute,
        post=post,
        load_bytes=inputs + weights + skip_bytes + shape.params,
        loads=patches * len(job.tiles),
        out_bytes=out_bytes,
        strip=np.broadcast_to(channels, height.shape),
        first_bytes=np.where(s.source, 0, np.minimum(tile_bytes, job.in_shape[0] * job.in_shape[1] * job.in_shape[2])),
        last_pixels=height * width,
    )


def _parts(total: int, size: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The sizes that ``total`` is cut into, and how many there are of each; of a rest of 0, none."""
    whole, rest = total // size, total % size
    return [(size, whole), (rest, np.where(rest > 0, 1, 0))]


def _stream(
    shape: JobShape, config: ArchConfig, h: NDArray[np.int64], w: NDArray[np.int64], window: tuple[int, int, int]
) -> NDArray[np.int64]:
    """Cycles that the array spends on a patch and a window."""
    job, rows, (run, kx, ky) = shape.job, config.dense.rows, window
    if job.depthwise:
        return ky * np.maximum(h * ((w - 1) * job.strides[1] + kx), kx)
    pixels, length = h * w, run * kx * ky
    if config.dense.dataflow == "output_stationary":
        return -(-pixels // rows) * (rows * -(-length // rows))
    tiles = kx * ky if job.reuse_weights else -(-length // rows)
    return tiles * np.maximum(pixels, min(rows, length))


def _pitch(shape: JobShape, config: ArchConfig, cols: NDArray[np.int64]) -> NDArray[np.int64]:
    pitch, run = cols * shape.job.in_shape[2], 0 if shape.job.hold else shape.job.natural_run
    return pitch + (run - pitch) % config.banks if run else pitch


def _words(size: NDArray[np.int64], banks: int) -> NDArray[np.int64]:
    return -(-size // banks) * banks


def _even(total: int, largest: NDArray[np.int64]) -> NDArray[np.int64]:
    """The size of equal parts of ``total``, none over ``largest``."""
    return -(-total // -(-total // largest))
