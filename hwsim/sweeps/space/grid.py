"""Points as columns: every combination of a space's values, conditions and constraints applied to whole columns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError
from hwsim.sweeps.space.parameter import Follows, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hwsim.sweeps.constraints.expression import Expression
    from hwsim.sweeps.space.parameter import Scalar
    from hwsim.sweeps.space.space import Space

__all__ = ["MAX_POINTS", "Assignment", "Grid", "grid", "point_id"]

Assignment = dict[str, "Scalar"]
"""What a point sets, by the parameter's name. A parameter whose condition does not hold is not in it."""

MAX_POINTS = 5_000_000
"""Of a grid, at any stage of making it."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Points of a space that satisfy the constraints on their settings."""

    names: tuple[str, ...]
    columns: tuple[NDArray, ...]
    """``[points]`` each; what the base says where a parameter is not active."""
    active: tuple[NDArray[np.bool_], ...]
    """``[points]`` each: the parameter is set."""
    excluded: int
    """Combinations that a constraint on settings took out. Those taken out early count once, however many they are."""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 1

    def assignments(self) -> list[Assignment]:
        """Every point's settings, in the order of the grid."""
        rows: list[Assignment] = [{} for _ in range(len(self))]
        for name, column, active in zip(self.names, self.columns, self.active, strict=True):
            for row, value, there in zip(rows, column.tolist(), active.tolist(), strict=True):
                if there:
                    row[name] = value
        return rows


def point_id(assignment: Mapping[str, Scalar]) -> str:
    """12 hex digits that name a point: equal for equal settings, in any sweep."""
    text = json.dumps(assignment, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def grid(space: Space, constraints: Sequence[Expression]) -> Grid:
    """Every combination of ``space`` that satisfies ``constraints``, which are on settings only.

    Raises:
        InputError: a range without steps, or too many points.

    """
    table = _Table()
    waiting = list(constraints)
    for parameter in space.parameters:
        active = np.ones(table.count, bool)
        if parameter.when is not None:
            active = parameter.when.mask(table.values(space, parameter.when.names), table.count)
        if isinstance(parameter, Interval):
            raise InputError(
                f"space.{parameter.name}: every number from {parameter.low:g} to {parameter.high:g} is no grid; "
                "give a step, a factor or a number of points, or search.sampler: nsga2, tpe or random"
            )
        default = table.default(space, parameter.name)
        if isinstance(parameter, Follows):
            names = parameter.equals.names
            found = np.broadcast_to(np.asarray(parameter.equals(table.values(space, names))), (table.count,))
            table.add(parameter.name, np.where(active, _object(found.tolist()), default), active)
        else:
            table.expand(parameter.name, parameter.values, active, default)
        ready = [c for c in waiting if c.names <= table.known(space)]
        for constraint in ready:
            waiting.remove(constraint)
            table.keep(constraint.mask(table.values(space, constraint.names), table.count))
    for constraint in waiting:
        table.keep(constraint.mask(table.values(space, constraint.names), table.count))
    return table.grid()


class _Table:
    """A growing set of columns of equal length."""

    def __init__(self) -> None:
        self.count = 1
        self.excluded = 0
        self.columns: dict[str, NDArray] = {}
        self.active: dict[str, NDArray[np.bool_]] = {}

    def known(self, space: Space) -> frozenset[str]:
        """Names that no later parameter changes."""
        later = {p.name for p in space.parameters} - set(self.columns)
        return frozenset(self.columns) | (space.settings() - later)

    def values(self, space: Space, names: frozenset[str]) -> dict[str, Any]:
        """Columns of ``names``, or the base's constants."""
        return {name: self.columns[name] if name in self.columns else self.default(space, name) for name in names}

    def default(self, space: Space, name: str) -> Any:
        """What the base says of ``name``: a scalar, or a column where the base is chosen by the point."""
        if "arch" not in self.columns:
            return space.default(name, None)
        by_arch = {arch: space.default(name, arch) for arch in set(self.columns["arch"].tolist())}
        return _object([by_arch[arch] for arch in self.columns["arch"].tolist()])

    def add(self, name: str, column: NDArray, active: NDArray[np.bool_]) -> None:
        self.columns[name], self.active[name] = _compact(column), active

    def expand(self, name: str, values: tuple[Scalar, ...], active: NDArray[np.bool_], default: Any) -> None:
        """Each active row becomes one row per value."""
        repeats = np.where(active, len(values), 1)
        total = int(repeats.sum())
        if total > MAX_POINTS:
            raise InputError(
                f"space: {total:,} points when {name} is in; a grid has at most {MAX_POINTS:,} "
                "(fewer values, constraints, or search.sampler: nsga2)"
            )
        source = np.repeat(np.arange(self.count), repeats)
        within = np.arange(total) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        base = np.broadcast_to(np.asarray(default, object), (self.count,))[source]
        spread = active[source]
        self._take(source)
        self.add(name, np.where(spread, _object(values)[np.where(spread, within, 0)], base), spread)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        self.excluded += int((~mask).sum())
        if not mask.all():
            self._take(np.flatnonzero(mask))

    def _take(self, rows: NDArray[np.integer]) -> None:
        self.columns = {name: column[rows] for name, column in self.columns.items()}
        self.active = {name: active[rows] for name, active in self.active.items()}
        self.count = len(rows)

    def grid(self) -> Grid:
        return Grid(tuple(self.columns), tuple(self.columns.values()), tuple(self.active.values()), self.excluded)


def _object(values: Sequence[Any]) -> NDArray:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _compact(column: NDArray) -> NDArray:
    """Numbers as numbers where all are of one kind: whole columns are compared at once."""
    kinds = {type(value) for value in column.tolist()}
    if kinds == {int} and all(abs(v) < 2**62 for v in (column.min(), column.max())):
        return column.astype(np.int64)
    return column.astype(np.float64) if kinds == {float} else column
