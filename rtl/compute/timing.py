r"""When the engines of the COMPUTE queue take and retire instructions.

With both engines, an instruction of the other kind than the one before it waits, out of the queue, until that one's
engine is idle::

    cycle           t       ...     r      r+1
    instr handshake ‾‾‾‾‾‾‾\__________________________   the other kind is taken in t
    retire          ________________/‾‾‾‾‾‾\__________   the last one of the kind before
    engine handshake________________________/‾‾‾‾‾‾\__   max(t + 1, r + 1, the engine is ready)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtl.dense.timing import compute_timing
from rtl.isa import Compute, Sparse
from rtl.sparse.timing import SparseTiming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rtl.config import ArchConfig
    from rtl.control.timing import EngineTiming
    from rtl.sparse.work import SparseWork

__all__ = ["HybridTiming", "engine_timing"]


class HybridTiming:
    """Both engines over a sequence of COMPUTE and SPARSE instructions."""

    def __init__(self, config: ArchConfig, sparse: SparseTiming) -> None:
        self._dense = compute_timing(config)
        self._engines: dict[type, EngineTiming] = {Compute: self._dense, Sparse: sparse}
        self._kind: type = Compute
        self._idle = 0

    def ready(self) -> int:
        """First cycle in which another instruction is taken."""
        return self._engines[self._kind].ready()

    def early(self) -> int:
        """The cycle in which the COMPUTE taken last, if chained, gives POST its token."""
        return self._dense.early()

    def issue(self, cycle: int, i: Compute | Sparse) -> int:
        """The cycle in which ``i``, taken in ``cycle``, retires."""
        engine = self._engines[type(i)]
        if type(i) is not self._kind:
            self._kind = type(i)
            cycle = max(cycle + 1, self._idle, engine.ready())
        retire = engine.issue(cycle, i)
        self._idle = retire + 1
        return retire


def engine_timing(config: ArchConfig, works: Iterable[SparseWork]) -> tuple[EngineTiming, SparseTiming | None]:
    """The timing of what runs the COMPUTE queue, and that of the sparse engine in it, if there is one."""
    if config.sparse_engine is None:
        return compute_timing(config), None
    sparse = SparseTiming(config, works)
    return (sparse if config.dense_engine is None else HybridTiming(config, sparse)), sparse
