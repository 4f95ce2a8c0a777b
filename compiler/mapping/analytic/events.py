"""The events of plans, in closed form: equal to what the cycle model counts, to the last one.

A layer does few different things many times: patches of at most four sizes, filter tiles that differ only at the end.
Each kind is a row of a table, and the table is evaluated at once for all layers.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compiler.mapping.analytic.traffic import Row, input_rows, load_rows, store_rows, touched
from compiler.mapping.plan import flattens, plan_patches
from compiler.mapping.tiling import input_pitch
from rtl.counters import COUNTERS
from rtl.isa import PARAM_BYTES, AccumulateOp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from compiler.mapping.job import Job, Window
    from compiler.mapping.plan import Plan
    from rtl.config import ArchConfig

__all__ = ["ComputeTable", "array_cycles", "compute_table", "plan_events"]

_INDEX = {counter.name: index for index, counter in enumerate(COUNTERS)}


def plan_events(plans: Sequence[Plan], config: ArchConfig, computes: ComputeTable | None = None) -> NDArray[np.int64]:
    """``[plans, counters]``: every event but the stalls, which are left 0. ``computes`` saves making them again."""
    counters = np.zeros((len(plans), len(COUNTERS)), np.int64)
    _dram(plans, config, counters)
    _compute(compute_table(plans, config) if computes is None else computes, config, counters)
    for layer, plan in enumerate(plans):
        _post(plan, counters[layer])
    return counters


def _dram(plans: Sequence[Plan], config: ArchConfig, counters: NDArray[np.int64]) -> None:
    for direction, spaces in (("read", ("ifm", "weight", "param")), ("write", ("store",))):
        rows: list[Row] = []
        owner: list[int] = []
        for layer, plan in enumerate(plans):
            by_space = load_rows(plan, config) if direction == "read" else {"store": store_rows(plan)}
            for space in spaces:
                rows += by_space[space]
                owner += [layer] * len(by_space[space])
                if direction == "read":
                    size = sum(r.times * r.rows * r.row_bytes for r in by_space[space])
                    counters[layer, _INDEX[f"{space}_write_bytes"]] = size
            if direction == "read":
                filled = sum(n * size for load in input_rows(plan, config.banks) for n, size in load.fills)
                times = 1 if plan.hold_input else len(plan.groups)
                counters[layer, _INDEX["ifm_write_bytes"]] += times * filled
        if not rows:
            continue
        table = np.array(rows, np.int64)
        beat = config.bus.data_bytes
        for name, values in (
            ("bytes", table[:, 3] * table[:, 4]),
            ("beats", touched(beat, table)),
            ("bursts", touched(beat * config.bus.burst_beats, table)),
        ):
            np.add.at(counters[:, _INDEX[f"dram_{direction}_{name}"]], owner, table[:, 0] * values)
    counters[:, _INDEX["store_ofm_bytes"]] = counters[:, _INDEX["dram_write_bytes"]]


class ComputeTable(NamedTuple):
    """The COMPUTEs of plans: a row for ``times`` of them that are alike, of plan ``owner``."""

    owner: NDArray[np.int64]
    times: NDArray[np.int64]
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    run: NDArray[np.int64]
    step: NDArray[np.int64]
    filters: NDArray[np.int64]
    depthwise: NDArray[np.int64]
    hold: NDArray[np.int64]
    op: NDArray[np.int64]
    ofm: NDArray[np.int64]
    """Whether the input is there."""
    full: NDArray[np.int64]
    """Reduction tiles of all rows of the array,"""
    tails: NDArray[np.int64]
    """and of ``tail`` rows."""
    tail: NDArray[np.int64]


def compute_table(plans: Sequence[Plan], config: ArchConfig) -> ComputeTable:
    """The COMPUTEs of ``plans``, at least one."""
    kinds = {job: _Kinds.of(job) for job in {plan.job for plan in plans}}
    columns = [
        (layer, *row) for layer, plan in enumerate(plans) for row in _compute_rows(plan, kinds[plan.job], config)
    ]
    owner, count, height, width, run, kx, ky, step, filters, flatten, depthwise, hold, op, ofm = np.array(
        columns, np.int64
    ).T
    rows = config.dense.rows
    length, runs = np.where(flatten, run * kx * ky, run), np.where(flatten, 1, kx * ky)
    full, tail = length // rows * runs, length % rows
    tails = np.where(tail > 0, runs, 0)
    full, tails, tail = np.where(depthwise, 0, full), np.where(depthwise, ky, tails), np.where(depthwise, kx, tail)
    return ComputeTable(owner, count, height, width, run, step, filters, depthwise, hold, op, ofm, full, tails, tail)


def array_cycles(table: ComputeTable, config: ArchConfig, plans: int) -> NDArray[np.int64]:
    """``[plans]``: cycles for which the array is busy, each COMPUTE right behind the one before."""
    rows, pixels = config.dense.rows, table.height * table.width
    if config.dense.dataflow == "output_stationary":
        block, blocks = np.minimum(rows, pixels), -(-pixels // rows)
        spent = (table.full + table.tails) * blocks * np.where(table.full > 0, rows, np.maximum(block, table.tail))
    else:
        vectors = np.where(table.depthwise, ((table.width - 1) * table.step + table.tail) * table.height, pixels)
        spent = table.full * np.maximum(vectors, rows) + table.tails * np.maximum(vectors, table.tail)
    busy = np.zeros(plans, np.int64)
    np.add.at(busy, table.owner, table.times * spent)
    return busy


def _compute(table: ComputeTable, config: ArchConfig, counters: NDArray[np.int64]) -> None:
    owner, count, height, width, run, step, filters, depthwise, hold, op, ofm, full, tails, tail = table
    rows = config.dense.rows
    tiles, total = full + tails, full * rows + tails * tail
    pixels = height * width
    sums = pixels * filters
    once = np.where(op == AccumulateOp.ADD, 0, np.where(hold, filters, sums))
    if config.dense.dataflow == "output_stationary":
        passes = -(-pixels // rows)
        streamed = passes * (full * rows + tails * np.maximum(np.minimum(rows, pixels), tail))
        act = pixels * total
        writes = sums * np.where(op == AccumulateOp.MAX, tiles, 1)
    else:
        passes = np.ones_like(pixels)
        vectors = np.where(depthwise, ((width - 1) * step + tail) * height, pixels)
        streamed = vectors * tiles
        act = vectors * np.where(depthwise, run * tiles, total)
        writes = sums * tiles
    for name, values in (
        ("macs", sums * total),
        ("stream_cycles", streamed),
        ("weight_tiles", tiles * passes),
        ("ifm_read_bytes", np.where(ofm, 0, act)),
        ("ofm_read_bytes", np.where(ofm, act, 0)),
        ("weight_read_bytes", total * filters * passes),
        ("acc_reads", writes - once),
        ("acc_writes", writes),
    ):
        np.add.at(counters[:, _INDEX[name]], owner, count * values)


class _Kinds(NamedTuple):
    """The filter tiles of a job, those that are alike together."""

    tiles: Counter[tuple[int, tuple[tuple[int, ...], ...]]]
    """By their filters and windows."""
    windows: dict[tuple[int, ...], Window]
    """One of each kind."""

    @staticmethod
    def of(job: Job) -> _Kinds:
        """Those of ``job``."""
        tiles = Counter(
            (tile.filters, tuple((w.run, w.kx, w.ky, w.step_x, w.step_y) for w in tile.windows)) for tile in job.tiles
        )
        windows = {(w.run, w.kx, w.ky, w.step_x, w.step_y): w for tile in job.tiles for w in tile.windows}
        return _Kinds(tiles, windows)


def _compute_rows(plan: Plan, kinds: _Kinds, config: ArchConfig) -> Iterable[tuple[int, ...]]:
    """The COMPUTEs of a plan: how many, and the fields that decide their events."""
    job = plan.job
    sizes = Counter((p.height, p.width, job.hold and (p.y, p.x) == (0, 0)) for p in plan_patches(plan))
    ofm = int(plan.source is not None)
    for (height, width, first), patches in sizes.items():
        pitch = patch_pitch(plan, config, width)
        for (filters, windows), tiles in kinds.tiles.items():
            for w, (key, times) in _runs(windows):
                run, kx, ky = key[:3]
                flatten = flattens(job, kinds.windows[key], pitch, config.banks)
                op = job.accumulate if w == 0 else AccumulateOp.ADD
                if job.hold:
                    op = AccumulateOp.SET if first else AccumulateOp.ADD
                step = job.strides[1] if job.depthwise else 1
                fixed = (height, width, run, kx, ky, step, filters, int(flatten), int(job.depthwise), int(job.hold))
                yield (patches * tiles * times, *fixed, int(op), ofm)


def _runs(windows: tuple[tuple[int, ...], ...]) -> Iterable[tuple[int, tuple[tuple[int, ...], int]]]:
    """The first window by itself, the others by kind."""
    yield 0, (windows[0], 1)
    for key, times in Counter(windows[1:]).items():
        yield 1, (key, times)


def patch_pitch(plan: Plan, config: ArchConfig, width: int) -> int:
    """Bytes from one row of the input to the next, where a patch of that width reads it."""
    if plan.source is not None:
        return plan.source.pitch
    job = plan.job
    cols = width if job.hold else (width - 1) * job.strides[1] + job.kernel[1]
    return input_pitch(cols, job.in_shape[2], 0 if job.hold else job.natural_run, config.banks)


def _post(plan: Plan, counters: NDArray[np.int64]) -> None:
    job = plan.job
    filters = sum(tile.filters for tile in job.tiles)
    height, width, _ = job.out_shape
    values = height * width * filters
    patches = 1 if job.hold else sum(1 for _ in plan_patches(plan))
    read = 0
    for group in plan.groups:
        # A filter tile that is alone in its group stays in the lanes from patch to patch.
        read += sum(job.tiles[n].filters for n in group) * (patches if len(group) > 1 else 1)
    counters[_INDEX["requantized"]] = values
    counters[_INDEX["param_read_bytes"]] = PARAM_BYTES * read
    if job.skip is not None:
        counters[_INDEX["skip_ofm_bytes" if plan.skip is not None else "skip_ifm_bytes"]] = values
    margin = sum(rows * size for _, rows, size in plan.target.fills()) if plan.fills_margin and plan.target else 0
    counters[_INDEX["ofm_write_bytes"]] = values + margin
