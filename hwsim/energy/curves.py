"""Curves through published points: how an energy, an area or a leakage goes with bits or with capacity.

    power          y = a x^p               p by least squares in logarithms, or as the table states it
    sqrt           y = a + b sqrt(x)       a memory's bit lines, word lines and wires grow with the root of its area
    linear         y = a + b x
    proportional   y = b x

All are fitted to the least sum of squared relative errors; :attr:`Curve.residual` says what is left.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Curve", "Figure", "Part", "Point"]


class Part(BaseModel):
    """A frozen piece of a table: no unknown keys, no guessed types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Source = Annotated[str, Field(min_length=8)]
Value = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Figure(Part):
    """One published number."""

    value: Value
    source: Source


class Point(Part):
    """One published point of a curve."""

    x: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    y: Value
    source: Source


class Curve(Part):
    """A law, and the points it goes through or near."""

    law: Literal["power", "sqrt", "linear", "proportional"]
    points: Annotated[list[Point], Field(min_length=1)]
    exponent: Figure | None = None
    """Of a power law; without it the points decide."""

    @model_validator(mode="after")
    def _determined(self) -> Self:
        if self.exponent is not None and self.law != "power":
            raise ValueError(f"a {self.law} law has no exponent")
        needed = 1 if self.law == "proportional" or self.exponent is not None else 2
        if len({point.x for point in self.points}) < needed:
            raise ValueError(f"a {self.law} law needs {needed} points")
        if self.law == "power" and not all(point.y for point in self.points):
            raise ValueError("a power law goes through no zero")
        return self

    def __call__(self, x: float) -> float:
        """The law at ``x``."""
        if self.law == "power":
            scale, exponent = self._power
            return scale * x**exponent
        return float(self._basis(np.array([x], float))[0] @ self._coefficients)

    @cached_property
    def residual(self) -> float:
        """Largest relative distance of a point from the law; 0..1."""
        return max((abs(self(p.x) / p.y - 1) for p in self.points if p.y), default=0.0)

    @cached_property
    def _power(self) -> tuple[float, float]:
        logs = np.log([[p.x, p.y] for p in self.points])
        exponent = self.exponent.value if self.exponent else float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])
        return math.exp(float(np.mean(logs[:, 1] - exponent * logs[:, 0]))), exponent

    @cached_property
    def _coefficients(self) -> NDArray[np.float64]:
        x, y = np.array([[p.x, p.y] for p in self.points]).T
        weight = np.where(y > 0, 1 / np.where(y > 0, y, 1), 1)
        return np.linalg.lstsq(self._basis(x) * weight[:, None], y * weight, rcond=None)[0]

    def _basis(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.law == "proportional":
            return x[:, None]
        return np.stack([np.ones_like(x), np.sqrt(x) if self.law == "sqrt" else x], axis=1)
