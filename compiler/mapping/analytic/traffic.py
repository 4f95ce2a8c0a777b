"""What a plan moves between DRAM and the chip: every transfer as numbers in columns, one row for many alike.

Tensors and constants begin on a multiple of the longest burst, so that an offset in its tensor says where a transfer
lies in its bursts.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compiler.mapping.plan import Plan, input_area, once, param_chunks, plan_patches
from compiler.mapping.tiling import input_pitch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.mapping.job import Job, Window
    from compiler.mapping.sparse.plan import SparsePlan
    from compiler.mapping.tiling import Patch
    from rtl.config import ArchConfig

__all__ = [
    "Row",
    "TileLoad",
    "input_load",
    "input_loads",
    "input_rows",
    "load_rows",
    "skip_row",
    "store_row",
    "store_rows",
    "touched",
]

_MAX_ROW_BYTES = (1 << 20) - 1


class Row(NamedTuple):
    """``times`` transfers of ``rows`` rows of ``row_bytes`` bytes, ``stride`` apart, from ``offset`` of a tensor on."""

    times: int
    offset: int
    stride: int
    rows: int
    row_bytes: int

    @staticmethod
    def of(times: int, offset: int, stride: int, rows: int, row_bytes: int, spad_stride: int) -> Row:
        """As the code generator puts it: rows that follow one another on both sides are one."""
        if rows == 1 or (row_bytes == spad_stride == stride and rows * row_bytes <= _MAX_ROW_BYTES):
            return Row(times, offset, 0, 1, rows * row_bytes)
        return Row(times, offset, stride, rows, row_bytes)


def touched(unit: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Aligned units of ``unit`` bytes that each row of a table of :class:`Row` touches, ``times`` left out."""
    _, offset, stride, n, size = rows.T
    return n + _sum_floor(n, unit, stride, offset + size - 1) - _sum_floor(n, unit, stride, offset)


def _sum_floor(n: NDArray[np.int64], m: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sums of ``(a * i + b) // m`` over ``i`` in ``range(n)``, by Euclid's algorithm, all at once."""
    total = np.zeros(n.shape, np.int64)
    n, a, b = n.copy(), a.copy(), b.copy()
    divisor = np.full(n.shape, m, np.int64)
    while True:
        total += (n - 1) * n // 2 * (a // divisor) + n * (b // divisor)
        a, b = a % divisor, b % divisor
        top = a * n + b
        going = top >= divisor
        if not going.any():
            return total
        # Those that have ended go on with nothing to add.
        n, b = np.where(going, top // divisor, 0), np.where(going, top % divisor, 0)
        a, divisor = np.where(going, divisor, 0), np.where(going & (a > 0), a, 1)


class TileLoad(NamedTuple):
    """What brings a tile of the input into IFM."""

    size: int
    """Bytes of it there."""
    fills: tuple[tuple[int, int], ...]
    """Its padding, as (rows, bytes per row)."""
    row: Row | None
    """None where all of it is padding."""


@once
def input_loads(plan: Plan, banks: int) -> list[TileLoad]:
    """Those of every patch, wherever the input is."""
    natural = 0 if plan.job.hold else plan.job.natural_run
    return [input_load(plan.job, patch, natural, banks) for patch in plan.patches]


def input_load(job: Job, patch: Patch, natural: int, banks: int) -> TileLoad:
    """What a patch reads; ``natural``: the run that its rows line up for, 0 for none."""
    height, width, channels = job.in_shape
    area = input_area(job, patch)
    y, x, rows, cols = area.y, area.x, area.rows, area.cols
    top, left, bottom, right = area.inside(height, width)
    pitch = input_pitch(cols, channels, natural, banks)
    inner, across_inner = rows - top - bottom, cols - left - right
    fills = ((1, top * pitch), (1, bottom * pitch), (inner, left * channels), (inner, right * channels))
    row = None
    if inner > 0 and across_inner > 0:
        offset = ((y + top) * width + x + left) * channels
        row = Row.of(1, offset, width * channels, inner, across_inner * channels, pitch)
    return TileLoad(rows * pitch, tuple([fill for fill in fills if fill[0] > 0 and fill[1] > 0]), row)


def input_rows(plan: Plan, banks: int) -> list[TileLoad]:
    """Those of every patch that are done; none where the input is resident or kept."""
    return [] if plan.source is not None or plan.kept_input else input_loads(plan, banks)


def skip_rows(plan: Plan) -> list[Row]:
    """Load of each patch of a residual that is in DRAM."""
    job = plan.job
    if job.skip is None or plan.skip is not None or plan.kept_skip:
        return []
    return [skip_row(plan, patch) for patch in plan_patches(plan)]


def skip_row(plan: Plan | SparsePlan, p: Patch) -> Row:
    """The load of a patch of a residual."""
    width, channels = plan.job.out_shape[1], plan.channels
    row_bytes = p.width * channels
    return Row.of(1, (p.y * width + p.x) * channels, width * channels, p.height, row_bytes, row_bytes)


def load_rows(plan: Plan, config: ArchConfig) -> dict[str, list[Row]]:
    """All loads, by the scratchpad that they go to: ``ifm``, ``weight``, ``param``."""
    job = plan.job
    groups = plan.groups
    patches = sum(1 for _ in plan_patches(plan))
    times = 1 if plan.hold_input else len(groups)
    ifm = [load.row for load in input_rows(plan, config.banks) if load.row is not None] + skip_rows(plan)
    weights = Counter(weight_row(plan, window) for tile in job.tiles for window in tile.windows)
    again = 1 if plan.hold_weights else patches
    return {
        "ifm": [row._replace(times=times) for row in ifm],
        "weight": [row._replace(times=count * again) for row, count in weights.items()],
        "param": [
            Row(times, 0, 0, 1, sum(job.tiles[n].param_bytes for n in chunk))
            for chunk, times in zip(param_chunks(plan), chunk_loads(plan, patches), strict=True)
        ],
    }


def weight_row(plan: Plan, window: Window) -> Row:
    """The load of a window's weights."""
    if plan.job.weights_from is None:
        return Row(1, 0, 0, 1, window.size)
    columns = plan.weight_columns
    offset = window.weights_at[0] * columns + window.weights_at[1]
    return Row.of(1, offset, columns, window.rows, window.filters, window.filters)


def chunk_loads(plan: Plan, patches: int) -> list[int]:
    """How often each chunk of parameters is loaded."""
    chunks = param_chunks(plan)
    if plan.hold_params or len(chunks) == 1:
        return [1] * len(chunks)
    loads = [0] * len(chunks)
    current = -1
    patches = 1 if plan.job.hold else patches
    for group in plan.groups:
        inside = range(group.start // plan.param_chunk, (group.stop - 1) // plan.param_chunk + 1)
        # A group within a chunk asks for it once; one of several goes through them for every patch.
        if len(inside) == 1:
            loads[inside.start] += inside.start != current
        else:
            for index in inside:
                loads[index] += patches
            loads[inside.start] -= inside.start == current
        current = inside.stop - 1
    return loads


def store_rows(plan: Plan) -> list[Row]:
    """All stores; pixel by pixel where a group writes some of the channels."""
    job = plan.job
    if not plan.stores:
        return []
    height, width, _ = job.out_shape
    channels = plan.channels
    rows = []
    for group in plan.groups:
        first = job.tiles[group.start].channel
        written = sum(job.tiles[n].filters for n in group)
        if written != channels:
            rows.append(Row(1, job.channel_offset + first, channels, height * width, written))
        elif job.hold:
            rows.append(Row(1, 0, 0, 1, channels))
        else:
            rows += [store_row(plan, p.y, p.x, p.height, p.width) for p in plan_patches(plan)]
    return rows


def store_row(plan: Plan | SparsePlan, y: int, x: int, height: int, width: int) -> Row:
    """The store of a patch with all its channels."""
    channels, across = plan.channels, plan.job.out_shape[1]
    pitch = plan.target.pitch if plan.target is not None else width * channels
    return Row.of(1, (y * across + x) * channels, across * channels, height, width * channels, pitch)
