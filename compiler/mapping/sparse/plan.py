"""How a layer on the sparse engine is cut, and what each way would cost.

Sums limit how many vectors one SPARSE takes, its *step*; scratchpads limit the *tile* of output pixels that steps are
cut from. Output channels are cut into *channel blocks* where they have more rows than sums, or where that lets their
compressed weights stay while the vectors go by. Weights that no memory holds pass through it in blocks of columns, two
of which take turns, once for every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from compiler.errors import ModelError
from compiler.mapping.mapper import Cost, Situation
from compiler.mapping.sparse.nest import nests
from compiler.mapping.tiling import MAX_EXTENT, Patch, Tile, even, patches
from compiler.sparse.blocks import ColumnBlock, LongColumnError, Room, cut, room_of
from rtl.isa import PARAM_BYTES
from rtl.sparse.layout import SparseLayout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.mapping.memory import Block
    from compiler.mapping.resident import Resident
    from compiler.mapping.sparse.job import SparseJob
    from rtl.config import ArchConfig

__all__ = [
    "ChannelBlock",
    "Loading",
    "SparseCut",
    "SparsePlan",
    "sparse_cost",
    "sparse_cuts",
    "steps",
]

_OVERHEAD = 24
"""Cycles of a SPARSE beside its columns: decoding, the first read, the tail of the pipeline."""
_POST_OVERHEAD = 20


class Loading(Enum):
    """When compressed weights are loaded."""

    ONCE = "once"
    """All of them fit: the channel blocks of a tile follow one another."""
    PER_BLOCK = "per channel block"
    """Those of a channel block fit: all tiles go by before the next one is loaded."""
    PER_STEP = "per step"
    """Blocks of columns take turns, for every step anew."""


@dataclass(frozen=True, slots=True, eq=False)
class ChannelBlock:
    """Output channels ``first`` to ``first + channels``, and their weights."""

    first: int
    channels: int
    rows: int
    """Of each PE: sums per vector."""
    columns: tuple[ColumnBlock, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SparseCut:
    """How a job is cut."""

    tile: Tile
    step: Tile
    blocks: tuple[ChannelBlock, ...]
    loading: Loading
    held_bytes: int
    """Of IFM, for tiles of the input (and of the residual) that stay while channel blocks go by. 0: none do."""

    @property
    def groups(self) -> list[tuple[ChannelBlock, ...]]:
        """Channel blocks that go over a tile together."""
        return [self.blocks] if self.loading is Loading.ONCE else [(block,) for block in self.blocks]


@dataclass(frozen=True, slots=True, eq=False)
class SparsePlan:
    """One job of the sparse engine, and how it is done. Fields are as those of :class:`compiler.mapping.plan.Plan`."""

    job: SparseJob
    segment: int
    channels: int
    cut: SparseCut
    source: Resident | None
    skip: Resident | None
    target: Resident | None
    stores: bool
    fills_margin: bool
    staging: Block


def steps(tile: Patch, step: Tile) -> Iterator[Patch]:
    """What the SPARSEs of a tile take, row by row."""
    for y in range(0, tile.height, step.height):
        for x in range(0, tile.width, step.width):
            yield Patch(tile.y + y, tile.x + x, min(step.height, tile.height - y), min(step.width, tile.width - x))


def sparse_cuts(job: SparseJob, config: ArchConfig, situation: Situation) -> list[SparseCut]:
    """The ways to cut ``job`` that are worth a look, at least one: ever more channel blocks, until their weights stay.

    Raises:
        ModelError: none fits; the message has the number that is exceeded.

    """
    found: list[SparseCut] = []
    sparse = config.sparse
    rows = -(-job.filters // sparse.pes)
    # Parameters of two blocks take turns, where there are several.
    most = max(1, config.memory.param_kib * 1024 // (2 * PARAM_BYTES * sparse.pes))
    count = 1 if job.filters * PARAM_BYTES <= config.memory.param_kib * 1024 else -(-rows // most)
    count = max(count, -(-rows // sparse.accumulators))
    while True:
        try:
            blocks, loading = _channel_blocks(job, config, -(-rows // count))
        except LongColumnError as error:
            if count >= rows:
                raise ModelError(f"{job.name}: {error}") from error
            count = min(2 * count, rows)
            continue
        tile, held = _tile(job, config, situation, blocks, loading)
        found.append(SparseCut(tile, _step(tile, blocks[0], config), blocks, loading, held))
        vectors = found[-1].step.height * found[-1].step.width
        # Nothing is loaded twice: then more blocks only scan the input more often.
        if loading is not Loading.PER_STEP or vectors >= job.out_shape[0] * job.out_shape[1] or count >= rows:
            return found
        count = min(2 * count, rows)


def _channel_blocks(job: SparseJob, config: ArchConfig, rows: int) -> tuple[tuple[ChannelBlock, ...], Loading]:
    """Channel blocks of ``rows`` rows of every PE, cut into blocks of columns as their weights ask for."""
    sparse, room = config.sparse, room_of(config.sparse)
    size = rows * sparse.pes
    parts = [(first, min(first + size, job.filters)) for first in range(0, job.filters, size)]
    whole = [cut(job.compress(*part), sparse, room) for part in parts]
    taken = [Room(rows=sum(b.rows(sparse) for b in bs), pointers=sum(b.columns + 1 for b in bs)) for bs in whole]
    loading = Loading.PER_BLOCK
    if sum(t.rows for t in taken) <= room.rows and sum(t.pointers for t in taken) <= room.pointers:
        loading = Loading.ONCE
    elif any(t.rows > room.rows or t.pointers > room.pointers for t in taken):
        half = Room(rows=room.rows // 2, pointers=room.pointers // 2)
        whole, loading = [cut(job.compress(*part), sparse, half) for part in parts], Loading.PER_STEP
    blocks = [
        ChannelBlock(first, last - first, -(-(last - first) // sparse.pes), columns)
        for (first, last), columns in zip(parts, whole, strict=True)
    ]
    return tuple(blocks), loading


def _step(tile: Tile, block: ChannelBlock, config: ArchConfig) -> Tile:
    """As many vectors as there are sums for, in equal parts of the tile."""
    most = config.sparse.accumulators // block.rows
    width = min(tile.width, most)
    return Tile(even(tile.height, min(tile.height, max(1, most // width))), even(tile.width, width))


def _tile(
    job: SparseJob, config: ArchConfig, situation: Situation, blocks: tuple[ChannelBlock, ...], loading: Loading
) -> tuple[Tile, int]:
    """The largest tile that the scratchpads take, and bytes of IFM for all of them if they are to stay there."""
    height, width, channels = job.out_shape
    written = channels if loading is Loading.ONCE else blocks[0].channels
    several = len(blocks) > 1 and loading is not Loading.ONCE
    rows, cols = min(height, MAX_EXTENT), min(width, MAX_EXTENT)
    while not _fits(job, config, situation, (rows, cols), written, several):
        if rows > 1:
            rows = (rows + 1) // 2
        elif cols > 1:
            cols = (cols + 1) // 2
        else:
            needed = sum(_ifm_bytes(job, situation, 1, 1))
            raise ModelError(
                f"{job.name}: one output pixel needs {needed} bytes of input and {written} of output, more than "
                f"{config.name} holds, with {config.memory.ifm_kib * 1024} and {config.memory.ofm_kib * 1024} "
                "(raise memory.ifm_kib or memory.ofm_kib)"
            )
    tile = Tile(even(height, rows), even(width, cols))
    sizes = (size for p in patches(job, tile) for size in _ifm_bytes(job, situation, p.height, p.width))
    held = sum(-(-size // config.banks) * config.banks for size in sizes) if several else 0
    return tile, held if held <= config.memory.ifm_kib * 1024 else 0


def _fits(
    job: SparseJob, config: ArchConfig, situation: Situation, size: tuple[int, int], written: int, several: bool
) -> bool:
    # A single tile may take all; several want room for two.
    alone = size == job.out_shape[:2]
    if sum(_ifm_bytes(job, situation, *size)) * (1 if alone else 2) > config.memory.ifm_kib * 1024:
        return False
    share = 1 if alone and not several else 2
    return situation.output_resident or size[0] * size[1] * written * share <= situation.ofm_gap


def _ifm_bytes(job: SparseJob, situation: Situation, height: int, width: int) -> tuple[int, int]:
    """What a tile takes of IFM: its input, and its residual with all channels, where they are not in OFM."""
    rows = (height - 1) * job.strides[0] + job.kernel[0]
    cols = (width - 1) * job.strides[1] + job.kernel[1]
    return (
        0 if situation.input_resident else rows * cols * job.in_shape[2],
        0 if job.skip is None or situation.skip_resident else height * width * job.out_shape[2],
    )


def sparse_cost(
    job: SparseJob, config: ArchConfig, situation: Situation, cut: SparseCut, density: float, spent: float | None = None
) -> Cost:
    """What ``cut`` costs when a share of ``density`` of the input is other than its zero point.

    ``spent`` are the cycles of the engine, if they are known better than by what it has to do at least.
    """
    sparse, layout = config.sparse, SparseLayout(config)
    vectors = job.out_shape[0] * job.out_shape[1]
    turns = -(-vectors // (cut.step.height * cut.step.width))
    per_cycle = config.bus.data_bytes / config.dram.beat_interval
    compute = post = weights = 0.0
    largest = 0
    for block in cut.blocks:
        loaded = sum(
            b.rows(sparse) * layout.row_stride + (b.columns + 1) * layout.pointer_stride for b in block.columns
        )
        largest = max(largest, loaded if cut.loading is not Loading.PER_STEP else loaded // len(block.columns))
        weights += loaded * (turns if cut.loading is Loading.PER_STEP else 1)
        for part in block.columns:
            fullest = density * part.entries * vectors
            busy = max(density * part.columns * vectors, fullest, vectors * _chunks(job, part, config))
            compute += busy + _OVERHEAD * turns
        post += vectors * -(-block.channels // sparse.lanes) + _POST_OVERHEAD * turns
    tiles = list(patches(job, cut.tile))
    read = sum(sum(_ifm_bytes(job, situation, p.height, p.width)) for p in tiles)
    once = read
    read *= 1 if cut.held_bytes else len(cut.groups)
    params = PARAM_BYTES * job.filters
    stores = 0 if situation.output_resident else vectors * job.filters
    dram = int(weights) + read + params + stores
    first = largest + once / len(tiles)
    drain = post / turns + (0 if situation.output_resident else stores / len(tiles) / per_cycle)
    compute = compute if spent is None else spent
    # What is loaded before the first vector is loaded while nothing is computed.
    busiest = max(compute, (dram - stores - first) / per_cycle, post, stores / per_cycle)
    return Cost(busiest + first / per_cycle + 2 * config.dram.latency_cycles + drain, dram)


def _chunks(job: SparseJob, part: ColumnBlock, config: ArchConfig) -> int:
    """Reads of the scratchpad that one vector takes."""
    return sum(-(-n.run // config.banks) * n.kx * n.ky for n in nests(job, part.start, part.stop))
