"""What a plan of the sparse engine is expected to add to the counters, from densities alone.

Which activations are zero decides the true counts; these are their means, for an input whose zeros lie anywhere with
the same chance, and padding around it, which is zero. What does not depend on it, the traffic apart from halo and
bursts, is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.plan import input_area
from compiler.mapping.sparse.plan import Loading
from compiler.mapping.tiling import patches
from rtl.counters import COUNTERS
from rtl.isa import PARAM_BYTES
from rtl.sparse.layout import SparseLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.mapping.sparse.job import SparseJob
    from compiler.mapping.sparse.plan import SparsePlan
    from compiler.sparse.blocks import ColumnBlock
    from compiler.sparse.csc import Compressed
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["sparse_events"]

_INDEX = {counter.name: index for index, counter in enumerate(COUNTERS)}


def sparse_events(plan: SparsePlan, config: ArchConfig, density: float) -> NDArray[np.int64]:
    """``[counters]``: expected events of ``plan``, stalls left 0."""
    counts = dict.fromkeys(_INDEX, 0.0)
    _load(plan, config, counts)
    _multiply(plan, config, density, counts)
    _drain(plan, counts)
    beat = config.bus.data_bytes
    for way in ("read", "write"):
        counts[f"dram_{way}_beats"] = np.ceil(counts[f"dram_{way}_bytes"] / beat)
        counts[f"dram_{way}_bursts"] = np.ceil(counts[f"dram_{way}_beats"] / config.bus.burst_beats)
    return np.rint([counts[counter.name] for counter in COUNTERS]).astype(np.int64)


def _load(plan: SparsePlan, config: ArchConfig, counts: dict[str, float]) -> None:
    job, cut, layout = plan.job, plan.cut, SparseLayout(config)
    height, width, channels = job.in_shape
    turns = 1 if cut.held_bytes else len(cut.groups)
    inside = written = 0
    if plan.source is None:
        for patch in patches(job, cut.tile):
            area = input_area(job, patch)
            top, left, bottom, right = area.inside(height, width)
            inside += (area.rows - top - bottom) * (area.cols - left - right) * channels
            written += area.rows * area.cols * channels
    if job.skip is not None and plan.skip is None:
        size = job.out_shape[0] * job.out_shape[1] * job.out_shape[2]
        inside, written = inside + size, written + size
    counts["ifm_write_bytes"] = written * turns
    again = _steps(plan) if cut.loading is Loading.PER_STEP else 1
    for block in cut.blocks:
        rows = sum(part.rows(config.sparse) for part in block.columns)
        pointers = sum(part.columns + 1 for part in block.columns)
        counts["spmat_write_bytes"] += again * rows * layout.row_stride
        counts["pointer_write_bytes"] += again * pointers * layout.pointer_stride
    if job.codes.values is not None:
        counts["codebook_write_bytes"] = layout.codebook_bytes // config.sparse.tables
    counts["param_write_bytes"] = PARAM_BYTES * job.filters
    weights = ("spmat_write_bytes", "pointer_write_bytes", "codebook_write_bytes", "param_write_bytes")
    counts["dram_read_bytes"] = inside * turns + sum(counts[name] for name in weights)


def _multiply(plan: SparsePlan, config: ArchConfig, density: float, counts: dict[str, float]) -> None:
    job, sparse = plan.job, config.sparse
    vectors = job.out_shape[0] * job.out_shape[1]
    source = "ifm_read_bytes" if plan.source is None else "ofm_read_bytes"
    active = density * _inside(job)
    for block in plan.cut.blocks:
        matrix = job.compress(block.first, block.first + block.channels)
        entries, padding = matrix.entries, _padding(matrix)
        counts[source] += vectors * job.columns
        counts["sparse_broadcasts"] += float(active.sum())
        counts["sparse_pushes"] += float(np.count_nonzero(entries, axis=1) @ active)
        counts["sparse_macs"] += float((entries.sum(axis=1) - padding) @ active)
        counts["sparse_padding"] += float(padding @ active)
        counts["sparse_rows"] += vectors * sum(
            _rows_read(part, active[part.start : part.stop].mean() / vectors, sparse) for part in block.columns
        )
        counts["sparse_cycles"] += float(max(active.sum(), (active @ entries).max()))


def _inside(job: SparseJob) -> NDArray[np.float64]:
    """``[columns]``: vectors whose element for that column lies in the input, and not in its padding."""
    axes = []
    for axis in (0, 1):
        taps = np.arange(job.taps[axis]) * job.dilations[axis] - job.pads[axis]
        places = np.arange(job.out_shape[axis])[:, None] * job.strides[axis] + taps
        axes.append(((places >= 0) & (places < job.in_shape[axis])).sum(axis=0))
    return np.repeat(np.outer(*axes).reshape(-1), job.in_shape[2]).astype(np.float64)


def _padding(matrix: Compressed) -> NDArray[np.int64]:
    """``[columns]``: entries of code 0, in all PEs."""
    before = np.concatenate([[0], np.cumsum(matrix.codes == 0)])[matrix.starts]
    return np.diff(before, axis=1).sum(axis=0)


def _rows_read(part: ColumnBlock, density: float, sparse: SparseConfig) -> float:
    """Rows that all PEs read for one vector: those with an entry of a column whose activation is not zero.

    A PE keeps the row that it read last, so that columns side by side in one read it once.
    """
    starts = part.matrix.starts[:, part.start : part.stop + 1]
    starts = starts - starts[:, :1]
    first, last = starts[:, :-1] // sparse.row_entries, (starts[:, 1:] - 1) // sparse.row_entries
    pe, column = np.nonzero(starts[:, 1:] > starts[:, :-1])
    width = part.rows(sparse) + 1
    changes = np.zeros(sparse.pes * width + 1, np.int64)
    np.add.at(changes, pe * width + first[pe, column], 1)
    np.add.at(changes, pe * width + last[pe, column] + 1, -1)
    return float((1 - (1 - density) ** np.cumsum(changes)).sum())


def _drain(plan: SparsePlan, counts: dict[str, float]) -> None:
    job = plan.job
    values = job.out_shape[0] * job.out_shape[1] * job.filters
    counts["requantized"] = counts["ofm_write_bytes"] = values
    counts["param_read_bytes"] = PARAM_BYTES * values
    if job.skip is not None:
        counts["skip_ifm_bytes" if plan.skip is None else "skip_ofm_bytes"] = values
    if plan.fills_margin and plan.target is not None:
        counts["ofm_write_bytes"] += sum(rows * row_bytes for _, rows, row_bytes in plan.target.fills())
    if plan.stores:
        counts["store_ofm_bytes"] = counts["dram_write_bytes"] = values


def _steps(plan: SparsePlan) -> int:
    """How many there are."""
    step = plan.cut.step
    return sum(
        -(-tile.height // step.height) * -(-tile.width // step.width) for tile in patches(plan.job, plan.cut.tile)
    )
