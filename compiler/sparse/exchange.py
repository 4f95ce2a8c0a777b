"""Partition of vectors into groups of given sizes and nearly equal sums, by exchanging members of two groups at a time.

The quantity that falls with every exchange is the sum of the squared lengths of the groups' sums (about their mean, if
the vectors are). Groups meet in a round-robin tournament; all pairs of a round are searched at once.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["exchange", "longest_first"]

_NONE = -1
"""In place of a member where a group is smaller than the largest."""
_CANDIDATES = 16
"""Members of a group that are tried with those of another: beyond them the search costs more than it finds."""


def longest_first(weights: NDArray[np.floating], groups: int) -> NDArray[np.int64]:
    """Members ``[groups, largest size]`` of groups: item by item, heaviest first, each to the lightest with a place.

    Of n items, group g has as many as there are of ``g, g + groups, ...`` below n; -1 stands for a place too many.
    Graham's rule for equal sums (LPT, 1969), with sizes given.
    """
    count = len(weights)
    members = np.full((groups, -(-count // groups)), _NONE)
    places = [len(range(g, count, groups)) for g in range(groups)]
    taken = [0] * groups
    heap = [(0.0, g) for g in range(groups) if places[g]]
    for item in np.argsort(-weights, kind="stable"):
        load, g = heapq.heappop(heap)
        members[g, taken[g]] = item
        taken[g] += 1
        if taken[g] < places[g]:
            heapq.heappush(heap, (load + float(weights[item]), g))
    return members


def exchange(
    members: NDArray[np.int64], vectors: NDArray[np.float32], sums: NDArray[np.float32], *, sweeps: int
) -> NDArray[np.int64]:
    """``members`` after at most ``sweeps`` tournaments, in each of which every two groups exchange their best pair.

    ``vectors`` is ``[items, dimensions]``. ``sums`` ``[groups, dimensions]`` is what is evened out: the groups' sums
    of vectors, and whatever else they bear that moves with no member.
    """
    members, sums = members.copy(), sums.copy()
    held = np.where(members[:, :, None] == _NONE, 0, vectors[members]).astype(np.float32)
    # An exchange has to be worth more than the rounding of the sums.
    worth = 1e-4 * float(np.square(vectors).mean(axis=0).sum())
    for _ in range(sweeps):
        made = sum(_meet(members, held, sums, pairs, worth) for pairs in _tournament(len(members)))
        if not made:
            break
    return members


def _tournament(groups: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rounds in which every group meets one other, until all have met (circle method)."""
    ring = [*range(groups), *[_NONE] * (groups % 2)]
    half = len(ring) // 2
    for _ in range(len(ring) - 1):
        one, other = np.array(ring[:half]), np.array(ring[: half - 1 : -1])
        both = (one != _NONE) & (other != _NONE)
        if both.any():
            yield one[both], other[both]
        ring = [ring[0], ring[-1], *ring[1:-1]]


def _meet(
    members: NDArray[np.int64],
    held: NDArray[np.float32],
    sums: NDArray[np.float32],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    worth: float,
) -> int:
    """One round: in each pair of groups the best exchange, if any is worth it. Returns how many were made.

    Of x in a group with sum a and y in one with sum b, the exchange adds ``2 |x - y|^2 - 2 (a - b) . (x - y)``.
    """
    a, b = pairs
    apart = sums[a] - sums[b]
    i, mine = _promising(members[a], held[a], -apart)
    j, theirs = _promising(members[b], held[b], apart)
    x, y = held[a[:, None], i], held[b[:, None], j]
    change = mine[:, :, None] + theirs[:, None, :] - 2 * np.matmul(x, y.transpose(0, 2, 1))
    flat = change.reshape(len(a), -1)
    best = flat.argmin(axis=1)
    made = flat[np.arange(len(a)), best] < -worth
    pair, first, second = np.flatnonzero(made), *np.divmod(best[made], change.shape[2])
    a, b, i, j = a[made], b[made], i[pair, first], j[pair, second]
    moved = held[a, i] - held[b, j]
    sums[a] -= moved
    sums[b] += moved
    for table in (held, members):
        table[a, i], table[b, j] = table[b, j], table[a, i]
    return len(a)


def _promising(
    members: NDArray[np.int64], held: NDArray[np.float32], towards: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The :data:`_CANDIDATES` best members ``[groups, candidates]`` to give away, and what each by itself changes."""
    change = np.square(held).sum(axis=2) + np.matmul(held, towards[:, :, None])[:, :, 0]
    change[members == _NONE] = np.inf
    chosen = np.argsort(change, axis=1)[:, :_CANDIDATES]
    return chosen, np.take_along_axis(change, chosen, axis=1)
