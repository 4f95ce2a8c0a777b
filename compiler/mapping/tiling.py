"""Spatial tiles: how many output pixels go through the accumulators, the scratchpads and the bus at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.mapping.job import Job
    from rtl.config import ArchConfig

__all__ = [
    "MAX_EXTENT",
    "Budget",
    "Patch",
    "Tile",
    "choose_tile",
    "even",
    "input_pitch",
    "lines_up",
    "patch_sizes",
    "patches",
]

MAX_EXTENT = 4095
"""Most pixels along an axis that one instruction can name."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Output pixels per tile; edge tiles are smaller."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Patch:
    """One tile of the output: ``height x width`` pixels from (y, x) on."""

    y: int
    x: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What a tile may take.

    Bytes of input in IFM (None: the input is resident), beside them the residual if that is not resident; bytes of
    output in OFM (None: the output stays); how many pixels, and of how many output channels.
    """

    ifm: int | None
    skip_in_ifm: bool
    ofm: int | None
    pixels: int
    channels: int


def lines_up(run: int, kx: int, kx_stride: int, ky: int, ky_stride: int, banks: int) -> bool:
    """Whether reduction elements of this nest lie in the bank that their number says, so that tiles may span runs."""
    along_x = kx == 1 or (kx_stride - run) % banks == 0
    along_y = ky == 1 or (ky_stride - run * kx) % banks == 0
    return along_x and along_y


def input_pitch(width: int, channels: int, natural_run: int, banks: int) -> int:
    """Bytes from one row of a tile to the next: the fewest for which the rows of a window line up over the banks."""
    pitch = width * channels
    return pitch + (natural_run - pitch) % banks if natural_run else pitch


def patches(job: Job, tile: Tile) -> Iterator[Patch]:
    """The tiles of the output, row by row."""
    height, width, _ = job.out_shape
    for y in range(0, height, tile.height):
        for x in range(0, width, tile.width):
            yield Patch(y, x, min(tile.height, height - y), min(tile.width, width - x))


def patch_sizes(total: int, size: int) -> dict[int, int]:
    """How many tiles of each size ``total`` is cut into."""
    whole, rest = divmod(total, size)
    return {size: whole, rest: 1} if rest else {size: whole}


def choose_tile(job: Job, config: ArchConfig, budget: Budget) -> Tile:
    """The largest tile within the accumulators, the budget and its wish for pixels; full rows where possible.

    Raises:
        ModelError: not even one pixel fits.

    """
    height, width, _ = job.out_shape
    pixels = min(config.memory.accumulators, budget.pixels)
    tile_width = min(width, pixels, MAX_EXTENT)
    tile_height = max(1, min(height, pixels // tile_width, MAX_EXTENT))
    while not _fits(job, config, budget, tile_height, tile_width):
        if tile_height > 1:
            tile_height = (tile_height + 1) // 2
        elif tile_width > 1:
            tile_width = (tile_width + 1) // 2
        else:
            raise ModelError(
                f"{job.name}: one output pixel needs {_ifm_bytes(job, config, 1, 1)} bytes of input and "
                f"{job.out_shape[2]} of output, more than {config.name} holds, with {config.memory.ifm_kib * 1024} "
                f"and {config.memory.ofm_kib * 1024} "
                "(raise memory.ifm_kib or memory.ofm_kib)"
            )
    return Tile(even(height, tile_height), even(width, tile_width))


def even(total: int, largest: int) -> int:
    """The size of equal parts of ``total``, none over ``largest``."""
    parts = -(-total // largest)
    return -(-total // parts)


def _fits(job: Job, config: ArchConfig, budget: Budget, height: int, width: int) -> bool:
    # A single tile may take all; several want room for two.
    alone = (height, width) == job.out_shape[:2] and budget.channels == sum(tile.filters for tile in job.tiles)
    share = 1 if alone else 2
    out_bytes = height * width * budget.channels
    ifm = _ifm_bytes(job, config, height, width) if budget.ifm is not None else 0
    # A residual comes with all its channels, whatever the group.
    ifm += height * width * job.out_shape[2] if budget.skip_in_ifm else 0
    available = config.memory.ifm_kib * 1024 if budget.ifm is None else budget.ifm
    if ifm * share > available:
        return False
    return budget.ofm is None or out_bytes * share <= budget.ofm


def _ifm_bytes(job: Job, config: ArchConfig, height: int, width: int) -> int:
    rows = (height - 1) * job.strides[0] + job.kernel[0]
    cols = (width - 1) * job.strides[1] + job.kernel[1]
    return rows * input_pitch(cols, job.in_shape[2], job.natural_run, config.banks)
