"""Groups of weights that are kept or pruned as one, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.masks import Masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Members", "Units", "choose"]


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The unit of each element of a constant: an array of the constant's shape, -1 for none."""

    constant: str
    unit: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Units are numbered from 0. Each belongs to one pool; units compete within their pool only."""

    score: NDArray[np.float64]
    """Of each unit; the lowest go first, of equal ones those of lower number."""
    size: NDArray[np.int64]
    """How many weights go with it."""
    pool: NDArray[np.int64]
    """Which pool it is in, 0 and up."""
    names: tuple[str, ...]
    """For each pool, the layer that it is named after."""
    members: tuple[Members, ...]
    keep_one: bool = False
    """Whether each pool keeps a unit at any sparsity, because a layer without channels is none."""
    run: int = 0
    """For pools of N out of M: M. A pool of fewer units, at the end of a row, keeps as many as a full one if it can."""

    def __len__(self) -> int:
        return len(self.score)

    def masks(self, pruned: NDArray[np.bool_]) -> Masks:
        """The masks without the ``pruned`` units; every constant that has a member gets one."""
        kept: dict[str, NDArray[np.bool_]] = {}
        for part in self.members:
            mask = ~(np.append(pruned, False)[part.unit])  # -1 is the last: never pruned
            kept[part.constant] = kept[part.constant] & mask if part.constant in kept else mask
        return Masks(kept)

    def pooled(self) -> Units:
        """The same units, all in one pool."""
        name = self.names[0] if self.names else ""
        return replace(self, pool=np.zeros_like(self.pool), names=(name,))


def choose(units: Units, sparsity: Mapping[str, float] | float) -> Masks:
    """Prune, in each pool, the units of lowest score until ``sparsity`` (0..1, or by pool) of its weights is gone.

    Where units have one size, exactly ``round(sparsity * units)`` of them go; otherwise the number whose weights come
    nearest to the target.
    """
    targets = np.array([sparsity if isinstance(sparsity, (int, float)) else sparsity[n] for n in units.names], float)
    order = np.lexsort((units.score, units.pool))
    present = np.bincount(units.pool, minlength=len(units.names))
    first = np.cumsum(present) - present
    count = _counts(units, targets, present, order, first)
    if units.keep_one:
        count = np.minimum(count, present - 1)
    pruned = np.zeros(len(units), bool)
    pools = units.pool[order]
    pruned[order] = np.arange(len(order)) - first[pools] < count[pools]
    return units.masks(pruned)


def _counts(
    units: Units,
    targets: NDArray[np.float64],
    present: NDArray[np.int64],
    order: NDArray[np.int64],
    first: NDArray[np.int64],
) -> NDArray[np.int64]:
    """How many units of each pool go."""
    if units.run:
        return np.clip(_round(targets * units.run) - (units.run - present), 0, present)
    count = _round(targets * present)
    low, high = np.full(len(present), np.iinfo(np.int64).max), np.zeros(len(present), np.int64)
    np.minimum.at(low, units.pool, units.size)
    np.maximum.at(high, units.pool, units.size)
    for pool in np.flatnonzero(low < high):
        ranked = order[first[pool] : first[pool] + present[pool]]
        # what is empty already stays out, even if more went for it than the target says
        empty = int(np.isneginf(units.score[ranked]).sum())
        count[pool] = max(_nearest(units.size[ranked], float(targets[pool])), empty)
    return count


def _round(x: NDArray[np.float64]) -> NDArray[np.int64]:
    """To the nearest; halves up. A hair of float error is not a reason to prune one more."""
    return np.floor(x + 0.5 + 1e-9).astype(np.int64)


def _nearest(sizes: NDArray[np.int64], target: float) -> int:
    """How many of the first units come nearest to ``target`` of the total; of two as near, the more."""
    gone = np.concatenate([[0], np.cumsum(sizes)])
    distance = np.abs(gone - target * gone[-1])
    return int(len(distance) - 1 - np.argmin(distance[::-1]))
