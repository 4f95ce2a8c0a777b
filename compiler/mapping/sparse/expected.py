"""What the SPARSEs of a plan are expected to take, of whose input only the density is known.

Weights are those of the plan. Activations are made up: where a step of the layer lies within its input, as many are
other than zero as the density says, anywhere with the same chance; the padding around it is zero. The exact recursion
(:func:`rtl.sparse.recursion.flow`) runs over a sample of the steps, and all steps of a size take the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from compiler.mapping.sparse.nest import nests
from compiler.mapping.sparse.plan import steps
from compiler.mapping.tiling import patches
from rtl.sparse.latency import CHUNK_LATENCY, SPARSE_DECODE
from rtl.sparse.work import SparseWork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.mapping.sparse.job import SparseJob
    from compiler.mapping.sparse.nest import Nest
    from compiler.mapping.sparse.plan import ChannelBlock, SparsePlan
    from compiler.mapping.tiling import Patch
    from compiler.sparse.blocks import ColumnBlock
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["ExpectedFlows", "Flow", "Flows", "flow_of"]

_SAMPLE_BROADCASTS = 4096
"""Of all samples of the SPARSEs that are alike; a single one may take more, if its vectors are long."""
_SAMPLE_STEPS, _SAMPLE_VECTORS = 8, 4
"""At least, whatever that takes, where there are as many: those at a border have less to do."""
_LONG_AGO = -(1 << 40)


class Flow(NamedTuple):
    """One SPARSE, as cycles from its issue, and from when the PEs were handed over: the later one decides."""

    scanned: int
    """From the issue to the end of the scan: behind it the engine is ready for another one."""
    retired: int
    """From the issue to the retirement."""
    scanned_late: int
    """From the handing over,"""
    retired_late: int
    """and likewise."""


class Flows(Protocol):
    """Who knows what the SPARSEs of a layer take."""

    def of(self, block: ChannelBlock, part: ColumnBlock, step: Patch) -> list[Flow]:
        """Those that multiply the columns of ``part`` with the vectors of ``step``, nest by nest."""
        ...


@dataclass(frozen=True, slots=True)
class _Kind:
    """SPARSEs that are alike: columns of one nest, over steps of one size."""

    block: ChannelBlock
    part: ColumnBlock
    nest: Nest
    size: tuple[int, int]


class ExpectedFlows:
    """The SPARSEs of ``plan`` for an input of that ``density``, 0..1; each kind is worked out once."""

    def __init__(self, plan: SparsePlan, config: ArchConfig, density: float) -> None:
        self._job = plan.job
        self._config = config
        self._density = density
        self._places: dict[tuple[int, int], list[Patch]] = {}
        for tile in patches(plan.job, plan.cut.tile):
            for step in steps(tile, plan.cut.step):
                self._places.setdefault((step.height, step.width), []).append(step)
        self._found: dict[tuple[int, int, tuple[int, int]], list[Flow]] = {}

    def of(self, block: ChannelBlock, part: ColumnBlock, step: Patch) -> list[Flow]:
        """Those that multiply the columns of ``part`` with the vectors of ``step``, nest by nest."""
        size = step.height, step.width
        key = block.first, part.start, size
        found = self._found.get(key)
        if found is None:
            kinds = (_Kind(block, part, nest, size) for nest in nests(self._job, part.start, part.stop))
            found = self._found[key] = [self._mean(kind) for kind in kinds]
        return found

    def _mean(self, kind: _Kind) -> Flow:
        """Over steps that lie evenly among those of that size."""
        nest, places = kind.nest, self._places[kind.size]
        vectors = kind.size[0] * kind.size[1]
        most = _SAMPLE_BROADCASTS / max(nest.run * nest.kx * nest.ky * self._density, 1.0)
        count = int(min(len(places), max(_SAMPLE_STEPS, most // vectors)))
        rng = np.random.default_rng((2016, kind.block.first, kind.part.start, nest.column, *kind.size))
        chosen = [places[(2 * k + 1) * len(places) // (2 * count)] for k in range(count)]
        flows = np.array(
            [self._sample(kind, step, int(max(most, _SAMPLE_VECTORS)), rng) for step in chosen], np.float64
        )
        return Flow(*np.rint(flows.mean(axis=0)).astype(int).tolist())

    def _sample(self, kind: _Kind, step: Patch, most: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """A made-up SPARSE; of more than ``most`` vectors, those beyond at the rate of the second half of some."""
        active = self._activations(kind.nest, step, rng)
        if len(active) <= most:
            return self._flow(kind, active)
        some = active[np.arange(most) * len(active) // most]
        half = some[::2]
        whole, begun = self._flow(kind, some), self._flow(kind, half)
        bound, half_bound = self._bound(kind, some), self._bound(kind, half)
        return whole + (self._bound(kind, active) - bound) * (whole - begun) / max(bound - half_bound, 1)

    def _bound(self, kind: _Kind, active: NDArray[np.bool_]) -> int:
        """Cycles if nothing ever waited: a chunk and a broadcast each cycle."""
        runs = active.size // kind.nest.run
        return max(runs * -(-kind.nest.run // self._config.banks), int(active.sum()))

    def _activations(self, nest: Nest, step: Patch, rng: np.random.Generator) -> NDArray[np.bool_]:
        """``[vectors, columns]``: which are not zero."""
        inside = _inside(self._job, nest, step)
        places = np.flatnonzero(inside)
        active = np.zeros(inside.size, np.bool_)
        active[rng.permutation(places)[: round(len(places) * self._density)]] = True
        return active.reshape(inside.shape)

    def _flow(self, kind: _Kind, active: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The fields of a :class:`Flow`."""
        nest, columns = kind.nest, active.shape[1]
        first = nest.column - kind.part.start
        pointers = kind.part.pointers[first : first + columns + 1].astype(np.int32)
        chunks = np.add.reduceat(
            active.reshape(-1, nest.run), np.arange(0, nest.run, self._config.banks), axis=1, dtype=np.int32
        )
        work = SparseWork(
            chunks=chunks.reshape(-1),
            columns=np.nonzero(active)[1].astype(np.int32),
            starts=pointers[:-1],
            ends=pointers[1:],
            padding=np.zeros(columns, np.int32),
        )
        return np.array(flow_of(work, self._config.sparse), np.float64)


def flow_of(work: SparseWork, sparse: SparseConfig) -> Flow:
    """What a SPARSE takes that has this to do, as :class:`rtl.sparse.timing.SparseTiming` comes to it."""
    # Numba takes a second to import: only where there is something sparse.
    from rtl.sparse.recursion import flow

    found: list[int] = []
    # Every cycle is a maximum over those of the first read and of the first broadcast: once for each of the two alone.
    for first_read, first_broadcast in ((SPARSE_DECODE, _LONG_AGO), (_LONG_AGO, 1)):
        read, sent, busy, *_ = flow(
            work.chunks, work.columns, work.starts, work.ends,
            first_read, first_broadcast, sparse.fifo_depth, sparse.row_entries,
        )  # fmt: skip
        scanned = max(int(sent) + 1, int(read) + CHUNK_LATENCY, 1)
        found += [scanned, max(scanned + 2, int(busy) + 2)]
    return Flow(*found)


def _inside(job: SparseJob, nest: Nest, step: Patch) -> NDArray[np.bool_]:
    """``[vectors, columns]``: which elements of the vectors of ``step`` lie in the input, and not in its padding."""
    height, width, depth = job.in_shape
    taps = nest.row + np.arange(nest.ky)
    rows = (step.y + np.arange(step.height))[:, None] * job.strides[0] - job.pads[0] + taps * job.dilations[0]
    taps = nest.tap + np.arange(nest.kx)[:, None] + (nest.channel + np.arange(nest.run)) // depth
    cols = (step.x + np.arange(step.width))[:, None, None] * job.strides[1] - job.pads[1] + taps * job.dilations[1]
    across, down = (cols >= 0) & (cols < width), (rows >= 0) & (rows < height)
    both = down[:, None, :, None, None] & across[None, :, None, :, :]
    return both.reshape(step.height * step.width, -1)
