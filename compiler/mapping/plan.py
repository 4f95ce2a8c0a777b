"""What the mapper decides of a layer, as a value: the code generator obeys it, the analytic model prices it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

from compiler.mapping.memory import Block
from compiler.mapping.tiling import Patch, Tile, input_pitch, lines_up, patches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from compiler.mapping.job import Job, Window
    from compiler.mapping.resident import Resident
    from rtl.config import ArchConfig

T = TypeVar("T")

__all__ = [
    "Area",
    "Plan",
    "aligned",
    "flattens",
    "held_bytes",
    "input_area",
    "input_areas",
    "once",
    "param_chunks",
    "plan_patches",
]


@dataclass(frozen=True, eq=False)
class Plan:
    """One job, and how it is done.

    The loops are: groups of filter tiles; patches of output pixels (of input rows, where all pixels add into one);
    filter tiles of the group; windows of the tile.
    """

    job: Job
    segment: int
    """Which of the programs between host operators it is in."""
    channels: int
    """Of the whole tensor that it writes; several jobs may."""
    weight_columns: int
    """Channels of the tensor that holds the weights, for a product of two activations; 0 otherwise."""
    tile: Tile
    """Output pixels per patch; input pixels for a global pool."""
    group: int
    """Filter tiles per group."""
    source: Resident | None
    """The input, if it is in OFM; it is read from DRAM by patches otherwise."""
    skip: Resident | None
    """The tensor that the output stage adds, likewise."""
    target: Resident | None
    """Where the output stays in OFM."""
    stores: bool
    """Whether the output goes to DRAM."""
    fills_margin: bool
    """Whether it writes the padding around ``target``."""
    staging: Block
    """Bytes of OFM through which an output passes that does not stay."""
    hold_weights: bool
    """Weights of a group stay in their scratchpad while the patches go by; loaded for every patch otherwise."""
    hold_input: bool
    """Patches of the input (and of the residual) stay in IFM while the groups go by."""
    kept_input: bool
    """The whole input is in IFM from a layer before, and is not loaded."""
    kept_skip: bool
    """The whole residual is, as another layer's input."""
    param_chunk: int
    """Filter tiles whose parameters are loaded together."""
    hold_params: bool
    """All parameters stay; otherwise a chunk is loaded whenever another one is needed."""

    known: dict[tuple[str, int], object] = field(default_factory=dict, init=False, repr=False)
    """What has been worked out of it: see :func:`once`."""

    @cached_property
    def patches(self) -> tuple[Patch, ...]:
        """The patches, in order."""
        return tuple(_patches(self))

    @cached_property
    def groups(self) -> list[range]:
        """Numbers of the filter tiles of each group."""
        total = len(self.job.tiles)
        return [range(first, min(first + self.group, total)) for first in range(0, total, self.group)]


def once(work_out: Callable[[Plan, int], T]) -> Callable[[Plan, int], T]:
    """Make a function of a plan, and of the banks of the scratchpads, keep its result with the plan."""
    name = work_out.__qualname__

    @functools.wraps(work_out)
    def known(plan: Plan, banks: int) -> T:
        key = name, banks
        if key not in plan.known:
            plan.known[key] = work_out(plan, banks)
        return cast("T", plan.known[key])

    return known


@dataclass(frozen=True, slots=True)
class Area:
    """``rows x cols`` pixels of a tensor from (y, x) on, which may lie outside it."""

    y: int
    x: int
    rows: int
    cols: int

    def inside(self, height: int, width: int) -> tuple[int, int, int, int]:
        """How far it reaches over a tensor of that size: top, left, bottom, right."""
        return max(0, -self.y), max(0, -self.x), max(0, self.y + self.rows - height), max(0, self.x + self.cols - width)


def aligned(size: int, banks: int) -> int:
    """``size``, rounded up to whole words of a scratchpad."""
    return -(-size // banks) * banks


def plan_patches(plan: Plan) -> Iterator[Patch]:
    """The patches of a plan, in order."""
    return iter(plan.patches)


def _patches(plan: Plan) -> Iterator[Patch]:
    job = plan.job
    if not job.hold:
        yield from patches(job, plan.tile)
        return
    height, width, _ = job.in_shape
    for y in range(0, height, plan.tile.height):
        for x in range(0, width, plan.tile.width):
            yield Patch(y, x, min(plan.tile.height, height - y), min(plan.tile.width, width - x))


def input_area(job: Job, patch: Patch) -> Area:
    """What a patch reads of the input."""
    if job.hold:
        return Area(patch.y, patch.x, patch.height, patch.width)
    return Area(
        patch.y * job.strides[0] - job.pads[0],
        patch.x * job.strides[1] - job.pads[1],
        (patch.height - 1) * job.strides[0] + job.kernel[0],
        (patch.width - 1) * job.strides[1] + job.kernel[1],
    )


def input_areas(plan: Plan, config: ArchConfig) -> list[tuple[Area, int]]:
    """What each patch reads of an input that is in DRAM, and its row pitch in IFM."""
    job = plan.job
    run = 0 if job.hold else job.natural_run
    areas = (input_area(job, patch) for patch in plan_patches(plan))
    return [(area, input_pitch(area.cols, job.in_shape[2], run, config.banks)) for area in areas]


def param_chunks(plan: Plan) -> list[range]:
    """Filter tiles by the chunk of parameters that they are in."""
    total = len(plan.job.tiles)
    return [range(first, min(first + plan.param_chunk, total)) for first in range(0, total, plan.param_chunk)]


def flattens(job: Job, window: Window, pitch: int, banks: int) -> bool:
    """Whether tiles of the reduction may span the runs of ``window``, over an input of that pitch."""
    if job.depthwise or job.reuse_weights or window.kx * window.ky == 1:
        return False
    kx_stride = window.step_x * job.in_shape[2]
    return lines_up(window.run, window.kx, kx_stride, window.ky, window.step_y * pitch, banks)


def held_bytes(plan: Plan, config: ArchConfig) -> int:
    """Bytes of IFM for all patches of what is read from DRAM."""
    size = 0
    if plan.source is None:
        size += sum(aligned(area.rows * pitch, config.banks) for area, pitch in input_areas(plan, config))
    if plan.job.skip is not None and plan.skip is None and not plan.kept_skip:
        row = plan.job.out_shape[2]
        size += sum(aligned(p.height * p.width * row, config.banks) for p in plan_patches(plan))
    return size
