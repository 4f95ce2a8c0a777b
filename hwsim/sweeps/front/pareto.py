"""The Pareto front of points, how much it dominates, and the point to begin with.

Figures come as ``[points, objectives]`` with a direction for each. A point with a figure that is not known (NaN) is not
on the front. Non-domination and hypervolume are moocore's (Fonseca, Paquete and López-Ibáñez, 2006).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import moocore
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["front_mask", "hypervolume", "knee_point", "reference_point", "spread"]


def front_mask(figures: NDArray[np.float64], maximise: Sequence[bool]) -> NDArray[np.bool_]:
    """``[points]``: those that no other point is at least as good as in all objectives, and better in one.

    Points of equal figures are all on the front, or none is.
    """
    known = np.isfinite(figures).all(axis=1)
    mask = np.zeros(len(figures), bool)
    if known.any():
        mask[known] = moocore.is_nondominated(figures[known], maximise=list(maximise), keep_weakly=True)
    return mask


def reference_point(figures: NDArray[np.float64], maximise: Sequence[bool]) -> NDArray[np.float64]:
    """``[objectives]``: the worst of each objective on the front, and a tenth of the front's extent beyond.

    The nadir of the front, not of all points: far worse points would make every front look alike.
    """
    front = figures[front_mask(figures, maximise)]
    if not len(front):
        return np.zeros(figures.shape[1])
    signs = np.where(maximise, -1.0, 1.0)
    low, high = (signs * front).min(axis=0), (signs * front).max(axis=0)
    # An objective in which all are equal still has some extent.
    extent = np.where(high > low, high - low, np.maximum(np.abs(high), 1e-9))
    return signs * (high + 0.1 * extent)


def hypervolume(figures: NDArray[np.float64], maximise: Sequence[bool], reference: NDArray[np.float64]) -> float:
    """The volume that the points dominate up to ``reference``, in the product of the objectives' units."""
    known = figures[np.isfinite(figures).all(axis=1)]
    if not len(known):
        return 0.0
    return float(moocore.hypervolume(known, ref=reference, maximise=list(maximise)))


def knee_point(figures: NDArray[np.float64], maximise: Sequence[bool]) -> int | None:
    """Index of the front's knee: nearest to the best of all objectives, each scaled to the front's extent.

    None where there is no front.
    """
    on_front = np.flatnonzero(front_mask(figures, maximise))
    if not len(on_front):
        return None
    return int(on_front[np.argmin(np.linalg.norm(_scaled(figures[on_front], maximise), axis=1))])


def spread(figures: NDArray[np.float64], maximise: Sequence[bool], count: int) -> list[int]:
    """Indices of at most ``count`` points of the front: the knee, then each time the farthest from those chosen."""
    knee = knee_point(figures, maximise)
    if knee is None or count <= 0:
        return []
    on_front = np.flatnonzero(front_mask(figures, maximise))
    scaled = _scaled(figures[on_front], maximise)
    # Of points with equal figures, one.
    _, unique = np.unique(scaled, axis=0, return_index=True)
    at = int(np.flatnonzero(on_front == knee)[0])
    chosen = [at]
    distance = np.linalg.norm(scaled - scaled[at], axis=1)
    while len(chosen) < min(count, len(unique)):
        at = int(np.argmax(distance))
        if distance[at] == 0:
            break
        chosen.append(at)
        distance = np.minimum(distance, np.linalg.norm(scaled - scaled[at], axis=1))
    return [int(on_front[k]) for k in chosen]


def _scaled(front: NDArray[np.float64], maximise: Sequence[bool]) -> NDArray[np.float64]:
    """Each objective from 0 (best on the front) to 1 (worst on it)."""
    costs = np.where(maximise, -1.0, 1.0) * front
    low, high = costs.min(axis=0), costs.max(axis=0)
    return (costs - low) / np.where(high > low, high - low, 1.0)
