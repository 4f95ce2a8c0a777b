"""Tables of a cell library: values over one or two axes, interpolated between their points, held beyond their ends."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["Lookup"]


@dataclass(frozen=True, slots=True)
class Lookup:
    """``values[i][j]`` at ``(rows[i], columns[j])``: slew, then load. An axis of one point is a constant in it."""

    rows: tuple[float, ...]
    columns: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def __call__(self, row: float, column: float) -> float:
        """Bilinear."""
        i, u = _place(self.rows, row)
        j, v = _place(self.columns, column)
        low = _between(self.values[i], j, v)
        return low if not u else low + u * (_between(self.values[i + 1], j, v) - low)


def _place(axis: tuple[float, ...], x: float) -> tuple[int, float]:
    """The point below ``x``, and how far it is to the next; 0..1."""
    if len(axis) == 1 or x <= axis[0]:
        return 0, 0.0
    if x >= axis[-1]:
        return len(axis) - 1, 0.0
    i = bisect_right(axis, x) - 1
    return i, (x - axis[i]) / (axis[i + 1] - axis[i])


def _between(values: tuple[float, ...], j: int, v: float) -> float:
    return values[j] if not v else values[j] + v * (values[j + 1] - values[j])
