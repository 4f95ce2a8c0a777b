"""Which row of a matrix goes to which processing element: a permutation that evens out their work.

Work is entries, padding included, of the columns whose activations are not zero. Two things cost time: a PE that has
more of it than the others in all, and one that falls so far behind for a while that its queue fills and the broadcast
waits. So what is evened out is the work up to each of a number of places along the columns, the last of which is all.
Padding depends on which rows meet in a PE: it is counted after each search, and evened out by the next one.

The permutation costs nothing at run time: the next layer's columns take it up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.sparse.csc import counts
from compiler.sparse.exchange import exchange, longest_first

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtl.config import SparseConfig

__all__ = ["balance", "work"]

_PLACES = 32
"""Along the columns, up to which work is evened out."""
_SEARCHES = 4
_SWEEPS = 6


def balance(
    nonzero: NDArray[np.bool_], sparse: SparseConfig, activity: NDArray[np.floating] | None = None
) -> NDArray[np.int64]:
    """The row at each position: position q is in PE ``q % pes``, so ``matrix[balance(...)]`` is what is encoded.

    ``nonzero`` ``[rows, columns]`` is where weights are; ``activity`` ``[columns]`` how often each input is not zero,
    0 to 1, from calibration; without it all inputs count alike. The largest work of a PE is never above that of the
    rows as they come.

    Raises:
        ModelError: ``activity`` is not of the matrix's columns.

    """
    rows, columns = nonzero.shape
    activity = np.ones(columns) if activity is None else activity
    if activity.shape != (columns,):
        raise ModelError(f"the activity of {activity.size} inputs is given for a matrix of {columns} columns")
    best = np.arange(rows)
    used = np.flatnonzero(activity)
    if rows <= sparse.pes or sparse.pes == 1 or not len(used):
        return best
    nonzero, activity = nonzero[:, used], activity[used]
    edges = np.unique(np.linspace(0, len(used), _PLACES + 1).astype(int))[:-1]
    vectors = _up_to(_partial(nonzero, activity, edges))
    members = longest_first(vectors[:, -1], sparse.pes)
    density = nonzero.sum(axis=1)
    least = work(nonzero, sparse, activity).max()
    sums = np.where(members[:, :, None] < 0, 0, vectors[members]).sum(axis=1)
    for _ in range(_SEARCHES):
        members = exchange(members, _centred(vectors), _centred(sums), sweeps=_SWEEPS)
        order = _in_order(members, density)
        entries = counts(nonzero[order], sparse) * activity[:, None]
        if entries.sum(axis=0).max() < least:
            best, least = order, entries.sum(axis=0).max()
        sums = _up_to(np.add.reduceat(entries, edges, axis=0).T)
    return best


def work(nonzero: NDArray[np.bool_], sparse: SparseConfig, activity: NDArray[np.floating]) -> NDArray[np.floating]:
    """``[pes]``: entries, padding included, that each PE is expected to go through."""
    return activity @ counts(nonzero, sparse)


def _partial(
    nonzero: NDArray[np.bool_], activity: NDArray[np.floating], edges: NDArray[np.int64]
) -> NDArray[np.float32]:
    """``[rows, places]``: work of each row between places."""
    parts = zip(np.split(nonzero, edges[1:], axis=1), np.split(activity.astype(np.float32), edges[1:]), strict=True)
    return np.stack([part @ active for part, active in parts], axis=1)


def _up_to(parts: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.cumsum(parts, axis=1, dtype=np.float32)


def _centred(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values - values.mean(axis=0)


def _in_order(members: NDArray[np.int64], density: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows by position; dense ones first in each PE, as zeros behind the last entry of a column take no padding."""
    rank = np.where(members < 0, -1, density[members])
    local = np.take_along_axis(members, np.argsort(-rank, axis=1, kind="stable"), axis=1)
    order = local.T.ravel()
    return order[order >= 0]
