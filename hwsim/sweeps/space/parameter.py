"""One dimension of a sweep: the values that a setting takes, and when it takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hwsim.errors import InputError
from hwsim.sweeps.constraints.expression import Expression, parse_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Follows", "Interval", "Parameter", "Scalar", "Values", "parse_parameter"]

Scalar = bool | int | float | str | None

MAX_VALUES = 100_000
"""Of one parameter."""

_FORMS = (
    "a list, {values: [...]}, {from, to, step}, {from, to, factor}, {from, to, points}, {from, to} for a sampler, or "
    "{equals: EXPRESSION}"
)


@dataclass(frozen=True, slots=True)
class Values:
    """Listed values, in the order in which a search walks them."""

    name: str
    values: tuple[Scalar, ...]
    when: Expression | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """Any number from ``low`` to ``high``, both included: for samplers only."""

    name: str
    low: float
    high: float
    log: bool
    integer: bool
    when: Expression | None = None


@dataclass(frozen=True, slots=True)
class Follows:
    """No dimension of its own: the value follows from other settings."""

    name: str
    equals: Expression
    when: Expression | None = None

    def of(self, values: Mapping[str, Any]) -> Scalar:
        """The value at a point whose settings are ``values``."""
        found = self.equals(values)
        return found.item() if isinstance(found, np.generic) else found


Parameter = Values | Interval | Follows


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    when: str | None = None


class _Listed(_Form):
    values: Annotated[list[Scalar], Field(min_length=1, max_length=MAX_VALUES)]


class _Range(_Form):
    low: Annotated[float | int, Field(alias="from")]
    high: Annotated[float | int, Field(alias="to")]
    step: Annotated[float | int, Field(gt=0)] | None = None
    factor: Annotated[float | int, Field(gt=1)] | None = None
    points: Annotated[int, Field(ge=2, le=MAX_VALUES)] | None = None
    scale: Literal["linear", "log"] = "linear"


class _Following(_Form):
    equals: str


def parse_parameter(name: str, given: object) -> Parameter:
    """The parameter that ``given``, out of a sweep's file, describes.

    Raises:
        InputError: it is none; one line that begins with ``space.<name>``.

    """
    where = f"space.{name}"
    if isinstance(given, list):
        given = {"values": given}
    if not isinstance(given, dict):
        raise InputError(f"{where}: {_FORMS}; not {given!r} (a fixed setting belongs into arch or recipe)")
    form = _Listed if "values" in given else _Following if "equals" in given else _Range
    try:
        parsed = TypeAdapter(form).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([where, *(str(step) for step in first["loc"][:2])])
        raise InputError(f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}; {_FORMS}") from error
    when = parse_expression(parsed.when) if parsed.when is not None else None
    if isinstance(parsed, _Listed):
        return Values(name, _distinct(where, tuple(parsed.values)), when)
    if isinstance(parsed, _Following):
        return Follows(name, parse_expression(parsed.equals), when)
    return _ranged(name, where, parsed, when)


def _distinct(where: str, values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    for index, value in enumerate(values):
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{where}: {value} is no value")
        if any(value == other and type(value) is type(other) for other in values[:index]) and len(values) < 10_000:
            raise InputError(f"{where}: {value!r} is listed twice")
    return values


def _ranged(name: str, where: str, given: _Range, when: Expression | None) -> Parameter:
    low, high = given.low, given.high
    ways = [way for way in ("step", "factor", "points") if getattr(given, way) is not None]
    if not (math.isfinite(low) and math.isfinite(high)) or low >= high:
        raise InputError(f"{where}: from {low:g} to {high:g} is no range")
    if len(ways) > 1:
        raise InputError(f"{where}: {' and '.join(ways)} exclude each other")
    if (given.factor is not None or given.scale == "log") and low <= 0:
        raise InputError(f"{where}: a logarithmic range begins above 0, not at {low:g}")
    integer = isinstance(low, int) and isinstance(high, int)
    if not ways:
        return Interval(name, low, high, given.scale == "log", integer, when)
    values = _walk(where, given)
    whole = integer and all(float(v).is_integer() for v in (*values, given.step or 0, given.factor or 0))
    if whole:
        return Values(name, tuple(int(v) for v in values), when)
    # 0.1 + 0.2 is 0.3 to whoever wrote the file.
    return Values(name, tuple(float(f"{v:.12g}") for v in values), when)


def _walk(where: str, given: _Range) -> list[float]:
    low, high = given.low, given.high
    if given.points is not None:
        make = np.geomspace if given.scale == "log" else np.linspace
        return make(low, high, given.points).tolist()
    step, factor = given.step, given.factor or 2
    span = (high - low) / step if step is not None else math.log(high / low) / math.log(factor)
    # The last value is in, whatever the division rounds to.
    count = math.floor(span * (1 + 1e-12)) + 1
    if count > MAX_VALUES:
        raise InputError(f"{where}: {count:,} values; at most {MAX_VALUES:,}")
    return [low + k * step if step is not None else low * factor**k for k in range(count)]
