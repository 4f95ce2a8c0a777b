"""Published tables as typed rows: a CSV file beside this one, and a dataclass that says what its columns are.

A row class names the column and the parser of each field with :func:`column`; :class:`Table` reads the file with them.
Each row of a table carries its source, or the table does. An empty cell is a figure that the source does not give.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, fields
from importlib import resources
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fact", "Sourced", "Table", "TableError", "column", "columns", "count", "interval", "optional"]

T = TypeVar("T")
R = TypeVar("R")

_SUFFIXES = {"K": 10**3, "M": 10**6, "B": 10**9}


class TableError(ValueError):
    """A cell that its parser refuses. A fault of the file shipped, not of its reader."""


def column(name: str, parse: Callable[[str], T], *, absent: T | None = None) -> T:
    """A field of a row class, read from the column ``name`` by ``parse``; ``absent`` where a table lacks the column."""

    def read(cells: dict[str, str]) -> T:
        return parse(cells[name]) if name in cells or absent is None else absent

    return cast("T", field(metadata={"read": read, "where": name}))


def columns(names: tuple[str, ...], parse: Callable[[str], T]) -> dict[str, T]:
    """A field that gathers several columns under their names."""
    read = {"read": lambda cells: {name: parse(cells[name]) for name in names}, "where": ", ".join(names)}
    return cast("dict[str, T]", field(metadata=read))


def count(cell: str) -> int:
    """A whole number as papers print it: ``235K``, ``0.5K``, ``3.7B``, ``9216``. As exact as the paper."""
    scale = _SUFFIXES.get(cell[-1:], 1)
    digits = cell if scale == 1 else cell[:-1]
    return round(float(digits) * scale)


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """``parse``, but an empty cell is None."""
    return lambda cell: parse(cell) if cell else None


def interval(cell: str) -> tuple[float, float]:
    """``250-450`` as (250, 450); a single figure is both ends."""
    low, _, high = cell.partition("-")
    return float(low), float(high or low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[R]):
    """One published table: its file in this folder, the class of its rows, and what it is."""

    file: str
    row: type[R]
    title: str
    rename: dict[str, str] = field(default_factory=dict)
    """The row class's name of a column, where the file's differs: ``{file's: class's}``."""

    def rows(self) -> tuple[R, ...]:
        """All rows, in the order of the file.

        Raises:
            TableError: a cell cannot be read; the message names file, line and column.

        """
        text = resources.files("workloads.reference").joinpath(self.file).read_text(encoding="utf-8")
        # Line 1 is the header.
        return tuple(self._row(line, cells) for line, cells in enumerate(csv.DictReader(text.splitlines()), 2))

    def _row(self, line: int, cells: dict[str, str]) -> R:
        values: dict[str, Any] = {}
        cells = {self.rename.get(name, name): cell for name, cell in cells.items()}
        for spec in fields(cast("Any", self.row)):
            try:
                values[spec.name] = spec.metadata["read"](cells)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise TableError(f"{self.file}, line {line}, {spec.metadata['where']}: {error!r}") from error
        return self.row(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """A row that says where its figures were read."""

    source: str = column("source", str)

    @property
    def confirmed(self) -> bool:
        """Whether the figure was read in a source, not remembered."""
        return "from memory" not in self.source.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Sourced):
    """A named figure or statement, as text: tables of one figure a row."""

    name: str = column("name", str)
    value: str = column("value", str)
    note: str = column("note", str, absent="")

    @property
    def number(self) -> float:
        """The value as a number. Raises ValueError where it is a statement."""
        return float(self.value)
