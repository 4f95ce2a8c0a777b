r"""Cycles and events of the zero-skipping engine: exact, from the activations that are not zero and their columns.

Everything flows in order, so each stage is a maximum over when it is free and when there is something for it::

    chunk j       r(j) = max(r(j-1) + 1, a place of the queue is free)      read from the scratchpad
                  empty:  its place is free from r(j) + 3
                  else:   its place is free a cycle after its last non-zero has left
    non-zero k    g(k) = max(r(j) + 3, g(k-1) + 1, b(k-1))                  found, and put before the PEs
                  b(k) = max(g(k) + 1, x(k-1, p) for every PE p)            broadcast
    in PE p       x(k) = max(b(k) + 1, y(k-1))                              pointers read
                  y(k) = x(k) + 1                                           dropped: no entry here; or else
                  y(k) = max(x(k) + 1, s(c - depth - 1) + 1)                queued as column c of the PE
                  s(c) = max(y(k) + 1, s(c-1) + n(c-1))                     its n(c) entries issue from s(c) + 1 on

The PEs work for one instruction at a time. The next one is decoded and scanned while they finish, up to its first
broadcast. A column-wise max-plus recursion, then, over as many columns as there are non-zeros; compiled, for there may
be millions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtl.isa import Space
from rtl.sparse.latency import CHUNK_LATENCY, SPARSE_DECODE
from rtl.sparse.work import chunks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rtl.config import ArchConfig
    from rtl.isa import Sparse
    from rtl.sparse.work import SparseWork

__all__ = ["SparseTiming"]

_NEVER = -(1 << 60)


class SparseTiming:
    """The sparse engine over a sequence of SPARSE instructions and their works."""

    def __init__(self, config: ArchConfig, works: Iterable[SparseWork] = ()) -> None:
        sparse = config.sparse
        self._works: Iterator[SparseWork] = iter(works)
        self._pes = sparse.pes
        self._depth = sparse.fifo_depth
        self._row_entries = sparse.row_entries
        self._banks = config.banks
        # All sums are zeroed first.
        self._ready = sparse.accumulators
        self._retired = _NEVER
        self.events: list[dict[str, int]] = []
        """Of the instructions issued, in order."""

    def ready(self) -> int:
        """First cycle in which the engine takes another instruction."""
        return self._ready

    def issue(self, cycle: int, i: Sparse) -> int:
        """The cycle in which ``i``, issued in ``cycle``, retires.

        Raises:
            ValueError: no work for it, or the work of another.

        """
        work = next(self._works, None)
        if work is None:
            raise ValueError(f"no work for the SPARSE of layer {i.layer} (there are as many as SPARSE instructions)")
        # Numba takes a second to import: only where there is something sparse.
        from rtl.sparse.recursion import flow

        columns = i.run * i.kx * i.ky
        needed, given = (columns, self._pes, chunks_of(i, self._banks)), (*work.starts.shape, len(work.chunks))
        if needed != given:
            raise ValueError(f"SPARSE of layer {i.layer} has columns, PEs and chunks {needed}, its work {given}")
        # The PEs are handed over when the instruction is there and the one before has retired.
        handed = max(cycle + 1, self._retired + 2)
        read, sent, busy, stalls, pushes, entries, rows = flow(
            work.chunks, work.columns, work.starts, work.ends,
            cycle + SPARSE_DECODE, handed + 1, self._depth, self._row_entries,
        )  # fmt: skip
        scanned = max(int(sent) + 1, int(read) + CHUNK_LATENCY, handed + 1)
        retired = max(scanned + 2, int(busy) + 2)
        padding = int(work.padding[work.columns].sum())
        scan_bytes = i.out_w * i.out_h * columns
        self.events.append(
            {
                "ifm_read_bytes": scan_bytes if i.source == Space.IFM else 0,
                "ofm_read_bytes": scan_bytes if i.source == Space.OFM else 0,
                "sparse_cycles": retired - max(cycle, self._retired),
                "sparse_macs": int(entries) - padding,
                "sparse_padding": padding,
                "sparse_broadcasts": len(work.columns),
                "sparse_pushes": int(pushes),
                "sparse_rows": int(rows),
                "sparse_stalls": int(stalls),
            }
        )
        self._ready = scanned + 1
        self._retired = retired
        return retired
