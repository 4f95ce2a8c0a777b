"""The max-plus recursion of :mod:`rtl.sparse.timing`, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from rtl.sparse.latency import CHUNK_LATENCY, CHUNK_QUEUE, MAC_LATENCY

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["flow"]

_NEVER = -(1 << 60)


@numba.njit(cache=True)
def flow(
    chunks: NDArray[np.int32],
    columns: NDArray[np.int32],
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    first_read: int,
    first_broadcast: int,
    depth: int,
    row_entries: int,
) -> tuple[int, int, int, int, int, int, int]:
    """Read of the last chunk, last broadcast, last cycle of work in a PE; stalls, columns queued, entries, rows."""
    pes = starts.shape[1]
    places = np.full(CHUNK_QUEUE, _NEVER, np.int64)
    left = np.full(pes, _NEVER, np.int64)  # y of the last non-zero
    free = np.full(pes, _NEVER, np.int64)  # s + n of the last column
    room = np.full((pes, depth + 1), _NEVER, np.int64)  # s of the last columns
    turn = np.zeros(pes, np.int64)
    held = np.full(pes, -1, np.int64)
    read, found, sent, stage_free = first_read - 1, _NEVER, _NEVER, first_broadcast
    k = stalls = pushes = entries = rows = 0
    for nonzeros in chunks:
        place = 0
        for other in range(1, CHUNK_QUEUE):
            if places[other] < places[place]:
                place = other
        read = max(read + 1, places[place])
        offered = read + CHUNK_LATENCY
        places[place] = offered
        for _ in range(nonzeros):
            found = max(offered, found + 1, sent)
            # What waits for the instruction before is no stall.
            could = max(found + 1, sent + 1, first_broadcast)
            sent = max(could, stage_free)
            stalls += sent - could
            stage_free = _NEVER
            column = columns[k]
            k += 1
            for p in range(pes):
                x = max(sent + 1, left[p])
                stage_free = max(stage_free, x)
                start, end = starts[column, p], ends[column, p]
                if start == end:
                    left[p] = x + 1
                    continue
                at = turn[p]
                queued = max(x + 1, room[p, at] + 1)
                begun = max(queued + 1, free[p])
                left[p] = queued
                room[p, at] = begun
                free[p] = begun + end - start
                turn[p] = at + 1 if at < depth else 0
                pushes += 1
                entries += end - start
                rows += (end - 1) // row_entries - start // row_entries + (start // row_entries != held[p])
                held[p] = (end - 1) // row_entries
            places[place] = found + 1
    busy = _NEVER
    for p in range(pes):
        busy = max(busy, left[p], free[p] + MAC_LATENCY)
    return read, sent, busy, stalls, pushes, entries, rows
