"""The fronts of a sweep's points: one for each model, or one for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.sweeps.front.pareto import front_mask, hypervolume, knee_point, reference_point, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Front", "fronts_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What is best of one group of points."""

    group: str
    """The model; empty if all are in one group."""
    ids: tuple[str, ...]
    """Points on the front, best first in the first objective."""
    knee: str | None
    hypervolume: float
    """In the product of the objectives' units, up to ``reference``."""
    reference: tuple[float, ...]
    spread: tuple[str, ...]
    """The front's points, those that tell most about it first: the knee, then what is farthest from those before."""


def fronts_of(
    ids: Sequence[str],
    groups: Sequence[str],
    figures: NDArray[np.float64],
    feasible: NDArray[np.bool_],
    maximise: Sequence[bool],
) -> tuple[Front, ...]:
    """The front of each group, of points ``[points]`` with ``figures`` ``[points, objectives]``.

    Points that are not feasible, or miss a figure, are on none.
    """
    labels = np.array(groups, object)
    found = []
    for group in sorted(set(groups)):
        rows = np.flatnonzero((labels == group) & feasible)
        if len(rows):
            found.append(_front(group, [ids[int(row)] for row in rows], figures[rows], maximise))
    return tuple(found)


def _front(group: str, ids: Sequence[str], figures: NDArray[np.float64], maximise: Sequence[bool]) -> Front:
    reference = reference_point(figures, maximise)
    knee = knee_point(figures, maximise)
    on_front = np.flatnonzero(front_mask(figures, maximise))
    best_first = on_front[np.argsort((-1 if maximise[0] else 1) * figures[on_front, 0], kind="stable")]
    return Front(
        group=group,
        ids=tuple(ids[int(row)] for row in best_first),
        knee=ids[knee] if knee is not None else None,
        hypervolume=hypervolume(figures[on_front], maximise, reference),
        reference=tuple(reference.tolist()),
        spread=tuple(ids[row] for row in spread(figures, maximise, min(len(on_front), 1000))),
    )
