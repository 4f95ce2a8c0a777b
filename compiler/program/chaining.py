"""Chaining: a POST may follow the sums of a COMPUTE while they are made, a pixel per cycle behind them.

The array writes one pixel's sums per cycle and the output stage reads one, so the token that a POST waits for may
be given with the first sum instead of with the last one (the bit ``chain`` of :class:`rtl.isa.Compute`), if the array
only writes the accumulators meanwhile: each of their halves has one read port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtl.dense.timing import reduction_tiles
from rtl.isa import AccumulateOp, Compute, Instruction, Post

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["chainable", "chaining_rows"]


def chaining_rows(config: ArchConfig) -> int:
    """Rows of the array of ``config`` if it chains, else 0: the weight-stationary one does."""
    dense = config.dense_engine
    return dense.rows if dense is not None and dense.dataflow == "weight_stationary" else 0


def chainable(compute: Instruction, post: Instruction, rows: int) -> bool:
    """Whether ``post`` may follow the sums of ``compute`` on an array of ``rows`` rows.

    It may if it drains all accumulators that ``compute`` writes, in the same order, each written once.
    """
    return (
        rows > 0
        and isinstance(compute, Compute)
        and isinstance(post, Post)
        and compute.op == AccumulateOp.SET
        and not (compute.depthwise or compute.hold)
        and (post.acc, post.out_w * post.out_h) == (compute.acc, compute.out_w * compute.out_h)
        and reduction_tiles(compute, rows).count == 1
    )
