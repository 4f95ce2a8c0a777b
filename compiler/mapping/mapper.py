"""The mapper: how a job is cut into tiles, chosen by what each way would cost.

The choice is between spatial tile sizes and loop orders. With all filter tiles in one *group*, a spatial tile is read
once and, where the weights do not fit the scratchpad, they are read again for every spatial tile. With groups that fit,
every weight is read once, and spatial tiles again for every group. Each candidate is priced in closed form, and the
cheapest by the objective is what the code generator emits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from compiler.mapping.tiling import Budget, Tile, choose_tile, input_pitch, patch_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.mapping.job import Job
    from rtl.config import ArchConfig

__all__ = [
    "COMPUTE_OVERHEAD",
    "CYCLES",
    "LOAD_OVERHEAD",
    "POST_OVERHEAD",
    "STRIP_OVERHEAD",
    "Cost",
    "Cut",
    "Objective",
    "Situation",
    "cut_cost",
    "cuts",
    "filter_tiles_that_fit",
]

POST_OVERHEAD = 14
"""Cycles of a POST beside its pixels: decoding, parameters, the tail of the side bus."""
COMPUTE_OVERHEAD = 3
LOAD_OVERHEAD = 4
STRIP_OVERHEAD = 1


@dataclass(frozen=True, slots=True)
class Objective:
    """What the mapper minimises. The weights are data from whoever asks."""

    kind: Literal["cycles", "energy", "edp"]
    """``cycles``: the fewest, and among equals the least traffic; ``edp``: the product of energy and cycles."""
    events: tuple[float, ...] = ()
    """Energy of one more of each event of :data:`rtl.counters.COUNTERS`, in any unit."""
    cycle: float = 0.0
    """Energy of one more cycle, in the same unit."""

    def price(self, cycles: float, dram_bytes: float, events: Sequence[float]) -> float:
        """What a plan with these figures costs."""
        if self.kind == "cycles":
            return cycles + 1e-3 * dram_bytes
        energy = self.cycle * cycles + sum(w * n for w, n in zip(self.events, events, strict=True))
        return energy if self.kind == "energy" else energy * cycles


CYCLES = Objective("cycles")


@dataclass(frozen=True, slots=True)
class Situation:
    """What the jobs before have left to this one."""

    input_resident: bool
    skip_resident: bool
    output_resident: bool
    ofm_gap: int
    """Bytes of OFM for tiles of an output that leaves the chip."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How a job is cut: output pixels per tile, and filter tiles per group."""

    tile: Tile
    group: int


class Cost(NamedTuple):
    """Of one job, by one plan, in closed form: an estimate of the cycles, and the traffic."""

    cycles: float
    dram_bytes: int


def cuts(job: Job, config: ArchConfig, situation: Situation) -> list[Cut]:
    """The ways to cut ``job`` that fit, at least one.

    Raises:
        ModelError: none fits.

    """
    return list(dict.fromkeys(_candidates(job, config, situation)))


def _candidates(job: Job, config: ArchConfig, situation: Situation) -> list[Cut]:
    groups = {len(job.tiles), filter_tiles_that_fit(job, config)}
    largest = config.memory.accumulators
    pixels = {min(largest, max(16, 4 * config.dense.rows) << k) for k in range(8)} | {largest}
    plans = []
    for group in sorted(groups):
        channels = sum(tile.filters for tile in job.tiles[:group])
        for count in sorted(pixels):
            budget = Budget(
                ifm=None if situation.input_resident else config.memory.ifm_kib * 1024,
                skip_in_ifm=job.skip is not None and not situation.skip_resident,
                ofm=None if situation.output_resident else situation.ofm_gap,
                pixels=count,
                channels=channels,
            )
            plans.append(Cut(choose_tile(job, config, budget), group))
    return plans


def filter_tiles_that_fit(job: Job, config: ArchConfig) -> int:
    """Filter tiles whose weights fit the scratchpad together, in groups as even as can be; at least one."""
    total = len(job.tiles)
    largest = max(tile.weight_bytes for tile in job.tiles)
    fit = max(1, min(total, config.memory.weight_kib * 1024 // max(largest, 1)))
    return -(-total // -(-total // fit))


def cut_cost(job: Job, config: ArchConfig, situation: Situation, plan: Cut) -> Cost:
    """What ``plan`` costs."""
    heights, widths = patch_sizes(job.out_shape[0], plan.tile.height), patch_sizes(job.out_shape[1], plan.tile.width)
    patches = [(h, w, n * k) for h, n in heights.items() for w, k in widths.items()]
    count = sum(n for _, _, n in patches)
    groups = -(-len(job.tiles) // plan.group)
    kinds = Counter((tile.filters, tuple((w.rows, w.run, w.kx, w.ky) for w in tile.windows)) for tile in job.tiles)

    compute = post = 0
    for height, width, patch_count in patches:
        for (_, windows), tile_count in kinds.items():
            for _, run, kx, ky in windows:
                cycles = _stream_cycles(job, config, height, width, run, kx, ky)
                compute += patch_count * tile_count * (cycles + COMPUTE_OVERHEAD)
            post += patch_count * tile_count * (height * width + POST_OVERHEAD)

    weights = sum(tile.weight_bytes for tile in job.tiles)
    group_weights = max(
        sum(tile.weight_bytes for tile in job.tiles[k : k + plan.group]) for k in range(0, len(job.tiles), plan.group)
    )
    if group_weights > config.memory.weight_kib * 1024:
        weights *= count
    channels = job.in_shape[2]
    pitch = input_pitch(_extent(plan.tile.width, job, 1), channels, job.natural_run, config.banks)
    tile_bytes = _extent(plan.tile.height, job, 0) * pitch
    inputs = 0
    if not situation.input_resident:
        read = sum(n * _extent(h, job, 0) * _extent(w, job, 1) * channels for h, w, n in patches)
        held = count * tile_bytes <= config.memory.ifm_kib * 1024
        inputs = read if held else read * groups
    out_bytes = job.out_shape[0] * job.out_shape[1] * sum(tile.filters for tile in job.tiles)
    skips = out_bytes * groups if job.skip is not None and not situation.skip_resident else 0
    params = sum(tile.param_bytes for tile in job.tiles)
    stores = 0 if situation.output_resident else out_bytes

    per_cycle = config.bus.data_bytes / config.dram.beat_interval
    load = (inputs + weights + skips + params) / per_cycle + LOAD_OVERHEAD * count * len(job.tiles)
    # A group writes a strip of each pixel, and a strip is a burst of its own.
    strip = sum(tile.filters for tile in job.tiles[: plan.group])
    beats = out_bytes / per_cycle if groups == 1 else _pixels(job) * groups * (strip / per_cycle + STRIP_OVERHEAD)
    store = beats if stores else 0
    first_tile = min(tile_bytes, job.in_shape[0] * job.in_shape[1] * channels)
    fill = (0 if situation.input_resident else first_tile / per_cycle) + 2 * config.dram.latency_cycles
    last_patch = plan.tile.height * plan.tile.width
    drain = last_patch + (0 if situation.output_resident else last_patch * out_bytes / _pixels(job) / per_cycle)
    return Cost(max(compute, load, post, store) + fill + drain, inputs + weights + skips + params + stores)


def _pixels(job: Job) -> int:
    return job.out_shape[0] * job.out_shape[1]


def _extent(pixels: int, job: Job, axis: int) -> int:
    """Input rows (or columns) under ``pixels`` rows of output, inside the input."""
    return min((pixels - 1) * job.strides[axis] + job.kernel[axis], job.in_shape[axis])


def _stream_cycles(job: Job, config: ArchConfig, height: int, width: int, run: int, kx: int, ky: int) -> int:
    """Cycles that the array spends on a patch and a window."""
    rows = config.dense.rows
    if job.depthwise:
        vectors = height * ((width - 1) * job.strides[1] + kx)
        return ky * max(vectors, kx)
    pixels = height * width
    if config.dense.dataflow == "output_stationary":
        return -(-pixels // rows) * rows * -(-(run * kx * ky) // rows)
    # Rows of a window line up for the mapper's own pitch; a little more where they do not.
    tiles = kx * ky if job.reuse_weights else -(-(run * kx * ky) // rows)
    return tiles * max(pixels, min(rows, run * kx * ky))
