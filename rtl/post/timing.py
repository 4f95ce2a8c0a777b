"""Cycles and events of the post-processing engine, in closed form: what :mod:`rtl.post.engine` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtl.config import PARAM_BYTES
from rtl.isa import Post, PostConfig, PostFill, Space, SparsePost

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = [
    "LANE_LATENCY",
    "POST_DECODE",
    "POST_TAIL",
    "SPARSE_LANE_LATENCY",
    "PostInstruction",
    "PostTiming",
    "post_events",
]

LANE_LATENCY = 10
"""Cycles from a dense lane's drain control to its output byte."""
SPARSE_LANE_LATENCY = LANE_LATENCY + 1
"""Cycles from a sparse lane's drain control to its output byte: its sum is one of several PEs'."""
POST_DECODE = 3
"""Cycles from the issue of a post-processing instruction to its first action."""
POST_TAIL = 3
"""Cycles that the side bus needs after the last vector of a POST before the next one may be issued."""

PostInstruction = Post | SparsePost | PostConfig | PostFill


class PostTiming:
    """The post-processing engine over a sequence of instructions.

    A SPARSE_POST waits until the dense lanes are empty, and until the sums have been zeroed after reset; POST_CONFIG
    and POST_FILL until all lanes are.
    """

    def __init__(self, config: ArchConfig) -> None:
        dense, sparse = config.dense_engine, config.sparse_engine
        self._dense_latency = LANE_LATENCY + (dense.cols - 1 if dense else 0)
        self._lanes = sparse.lanes if sparse else 0
        self._zeroed = sparse.accumulators if sparse else 0
        self._banks = config.banks
        self._ready = 0
        self._dense_empty = 0
        self._sparse_empty = 0

    def ready(self) -> int:
        """First cycle in which the engine takes another instruction."""
        return self._ready

    def issue(self, cycle: int, i: PostInstruction) -> int:
        """The cycle in which ``i``, issued in ``cycle``, retires."""
        start = cycle + POST_DECODE
        if isinstance(i, Post):
            last = start + PARAM_BYTES * i.load_params + i.out_w * i.out_h - 1
            self._ready = last + 1 + POST_TAIL
            self._dense_empty = last + self._dense_latency + 1
            return last + self._dense_latency
        if isinstance(i, SparsePost):
            last = max(start, self._dense_empty, self._zeroed) + i.out_w * i.out_h * -(-i.channels // self._lanes)
            self._ready = last + 1 + POST_TAIL
            self._sparse_empty = last + SPARSE_LANE_LATENCY + 1
            return last + SPARSE_LANE_LATENCY
        done = max(start, self._dense_empty, self._sparse_empty)
        if isinstance(i, PostFill):
            done += i.rows * -(-i.row_bytes // self._banks)
        self._ready = done + 1
        return done + 1


def post_events(i: PostInstruction) -> dict[str, int]:
    """Events of ``i``, by counter."""
    values = params = residual = 0
    source = None
    match i:
        case Post():
            values = i.out_w * i.out_h * i.filters
            params = PARAM_BYTES * i.filters * i.load_params
            residual, source = i.residual, i.skip_source
        case SparsePost():
            values = i.out_w * i.out_h * i.channels
            params = PARAM_BYTES * values
            residual, source = i.residual, i.skip_source
    return {
        "requantized": values,
        "param_read_bytes": params,
        "skip_ifm_bytes": values * residual if source == Space.IFM else 0,
        "skip_ofm_bytes": values * residual if source == Space.OFM else 0,
        "ofm_write_bytes": i.rows * i.row_bytes if isinstance(i, PostFill) else values,
    }
