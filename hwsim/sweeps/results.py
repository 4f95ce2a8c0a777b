"""What a sweep answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.sweeps.front.summary import Front, fronts_of
from hwsim.sweeps.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hwsim.sweeps.specification.specification import Specification
    from hwsim.sweeps.storage.study import StoredPoint

__all__ = ["SweepResult", "feasible_points", "figures_of", "fronts"]


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A sweep's points, its fronts, and what closer looks at the fronts said."""

    specification: Specification
    address: str
    """Of the study."""
    points: tuple[StoredPoint, ...]
    """At the sweep's own fidelity, by id."""
    rechecked: dict[str, StoredPoint]
    """By id: points of the fronts, estimated again by the cycle model."""
    verified: dict[str, StoredPoint]
    """By id: points of the fronts that ran in RTL."""
    layers: dict[str, list[dict[str, Any]]]
    """By id: figures by layer of points on the fronts."""
    environments: dict[str, dict[str, str]]
    """Versions that computed the points."""
    evaluated: int
    """Points that this run computed; the others were there already."""
    wall_s: float

    @cached_property
    def by_id(self) -> dict[str, StoredPoint]:
        """The points."""
        return {point.id: point for point in self.points}

    @cached_property
    def fronts(self) -> tuple[Front, ...]:
        """At the sweep's own fidelity."""
        return fronts(self.specification, self.points)

    def failed(self) -> list[StoredPoint]:
        """Points without figures, at any fidelity, each with its reason."""
        closer = (*self.rechecked.values(), *self.verified.values())
        return [point for point in (*self.points, *closer) if point.state == "failed"]

    def to_json(self) -> dict[str, Any]:
        """What ``hwsim sweep --json`` writes."""
        return {
            "name": self.specification.file.name,
            "study": self.address,
            "fidelity": self.specification.file.fidelity,
            "objectives": list(self.specification.file.objectives),
            "points": len(self.points),
            "evaluated": self.evaluated,
            "failed": [{"id": p.id, "fidelity": p.fidelity, "reason": p.reason} for p in self.failed()],
            "excluded": sum(point.state == "excluded" for point in self.points),
            "wall_s": self.wall_s,
            "environments": self.environments,
            "fronts": [self._front(front) for front in self.fronts],
        }

    def _front(self, front: Front) -> dict[str, Any]:
        points = [self._point(self.by_id[id_]) for id_ in front.ids]
        return {**asdict(front), "points": points}

    def _point(self, point: StoredPoint) -> dict[str, Any]:
        again, rtl = self.rechecked.get(point.id), self.verified.get(point.id)
        return {
            **asdict(point),
            "cycle": again.metrics if again is not None else None,
            "rtl": rtl.metrics if rtl is not None else None,
        }


def fronts(specification: Specification, points: Sequence[StoredPoint]) -> tuple[Front, ...]:
    """The fronts of ``points``."""
    together = specification.file.fronts == "together"
    groups = ["" if together else str(p.assignment.get("model", specification.file.models[0])) for p in points]
    figures = figures_of(points, specification.file.objectives)
    feasible = feasible_points(specification, points)
    return fronts_of([p.id for p in points], groups, figures, feasible, specification.maximise)


def figures_of(points: Sequence[StoredPoint], names: Sequence[str]) -> NDArray[np.float64]:
    """``[points, names]``; NaN where a point lacks a figure."""
    nan = float("nan")
    rows = [[point.metrics.get(name, nan) for name in names] for point in points]
    return np.array(rows, np.float64).reshape(len(points), len(names))


def feasible_points(specification: Specification, points: Sequence[StoredPoint]) -> NDArray[np.bool_]:
    """``[points]``: figures are there, and all constraints on figures hold."""
    feasible = np.array([point.state == "done" for point in points], bool)
    if not specification.on_figures or not len(points):
        return feasible
    names = sorted({name for constraint in specification.on_figures for name in constraint.names})
    values: dict[str, Any] = {}
    for name in names:
        if name in METRICS:
            values[name] = figures_of(points, [name])[:, 0]
        else:
            values[name] = specification.space.column([point.assignment for point in points], name)
    for constraint in specification.on_figures:
        feasible &= constraint.mask(values, len(points))
    return feasible
