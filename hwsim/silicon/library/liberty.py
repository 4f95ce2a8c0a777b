"""A Liberty library as far as area, power and simulation need it: cells, pins, capacitances, internal energies.

Parsed by ``liberty-parser``, a cell when it is first asked for: a library has tens of megabytes, a netlist uses some
dozens of its cells.

Units: capacitances in fF, energies in fJ, times in ps, leakage in nW, areas in µm².
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError, ToolError
from hwsim.files import reason
from hwsim.silicon.library.lookup import Lookup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Arc", "Cell", "Library", "Pin", "library_text", "load_library"]

_CELL = re.compile(r'^\s*cell\s*\(\s*"?([\w$.]+)"?\s*\)\s*\{', re.MULTILINE)
_FLIP_FLOP = re.compile(r"^\s*ff\s*\(", re.MULTILINE)
_CLOCK_GATE = re.compile(r'^\s*clock_gating_integrated_cell\s*:\s*"?latch_posedge', re.MULTILINE)
_DONT_USE = re.compile(r'^\s*dont_use\s*:\s*"?true', re.MULTILINE)
_ATTRIBUTE = r'^\s*{}\s*:\s*"?([^";]+?)"?\s*;'
_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}
_UNIT = re.compile(r"(\d+\.?\d*)?\s*([fpnum]?)(s|W)", re.IGNORECASE)
_TABLES = {"rise": "rise_power", "fall": "fall_power"}


@dataclass(frozen=True, slots=True)
class Arc:
    """Tables of an output's change by one input, or of an input's own: mean of both edges and of all conditions."""

    related: str
    """The input whose change it is; the pin itself for an input's own."""
    energy_fj: tuple[Lookup, ...]
    """Both edges; their mean is the energy of a change."""
    slew_ps: tuple[Lookup, ...] = ()

    def energy(self, slew_ps: float, load_ff: float) -> float:
        """Energy of a change inside the cell, in fJ."""
        return _mean(self.energy_fj, slew_ps, load_ff)

    def slew(self, slew_ps: float, load_ff: float) -> float:
        """Transition time of the output, in ps."""
        return _mean(self.slew_ps, slew_ps, load_ff)


@dataclass(frozen=True, slots=True)
class Pin:
    """One pin."""

    name: str
    is_output: bool
    capacitance_ff: float
    function: str | None
    """In Liberty's syntax; None for an input and for a clock gate's output."""
    arcs: tuple[Arc, ...]
    """Of an output by its inputs; of an input, at most one: what it costs whether or not an output follows."""
    role: str
    """``clock``, ``enable`` or ``test`` of a clock gate; ``clock`` of a flip-flop; ``data``."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell."""

    name: str
    area_um2: float
    leakage_nw: float
    pins: dict[str, Pin]
    state: tuple[str, str, str] | None
    """Of a flip-flop: its state's name, its next state and its clock."""
    gates_clock: bool

    @property
    def clock_pin(self) -> str | None:
        """Pin that the clock is on; None in combinational cells."""
        return next((pin.name for pin in self.pins.values() if pin.role == "clock"), None)


class Library:
    """Cells by name, and the conditions that they were characterised in.

    Raises:
        InputError: the text is not a library, or lacks a unit.

    """

    def __init__(self, text: str, origin: str) -> None:
        self._text, self._origin = text, origin
        starts = list(_CELL.finditer(text))
        if not starts:
            raise InputError(f"{origin}: not a Liberty library: it has no cells")
        ends = [match.start() for match in starts[1:]] + [len(text)]
        self._places = {match[1]: (match.start(), end) for match, end in zip(starts, ends, strict=True)}
        self._cells: dict[str, Cell] = {}
        self._header = text[: starts[0].start()]
        self.voltage_v = self._number("nom_voltage")
        self.temperature_c = self._number("nom_temperature")
        number, prefix, unit = self._capacitance_unit()
        self.farad = number * _PREFIXES[prefix]
        if unit != "f":
            raise InputError(f"{origin}: capacitive_load_unit is in {unit!r}, not in farads")
        self.second = self._scale("time_unit", "s")
        self.watt = self._scale("leakage_power_unit", "W")

    @cached_property
    def name(self) -> str:
        """As the library calls itself."""
        found = re.search(r'^\s*library\s*\(\s*"?([^")]+?)"?\s*\)', self._header, re.MULTILINE)
        return found[1] if found else self._origin

    @property
    def cell_names(self) -> list[str]:
        """Of all cells."""
        return list(self._places)

    def has_state(self, name: str) -> bool:
        """Whether a cell is a flip-flop, which its text says before it is parsed."""
        return _FLIP_FLOP.search(self._text, *self._places[name]) is not None

    def gates_clock(self, name: str) -> bool:
        """Whether a cell is a clock gate for rising edges that the library lets be used; as :meth:`has_state`."""
        place = self._places[name]
        return _CLOCK_GATE.search(self._text, *place) is not None and _DONT_USE.search(self._text, *place) is None

    def cell(self, name: str) -> Cell:
        """The cell called ``name``.

        Raises:
            InputError: there is none, or it cannot be parsed.

        """
        if name not in self._cells:
            if name not in self._places:
                raise InputError(f"{self._origin}: no cell {name}")
            self._cells[name] = self._parse(name)
        return self._cells[name]

    def _attribute(self, name: str) -> str:
        found = re.search(_ATTRIBUTE.format(name), self._header, re.MULTILINE)
        if found is None:
            raise InputError(f"{self._origin}: no {name} before its first cell")
        return found[1]

    def _number(self, name: str) -> float:
        text = self._attribute(name)
        try:
            return float(text)
        except ValueError as error:
            raise InputError(f"{self._origin}: {name} is not a number: {text!r}") from error

    def _scale(self, name: str, unit: str) -> float:
        """In ``unit``: ``1ns`` is 1e-9 seconds."""
        text = self._attribute(name)
        found = _UNIT.fullmatch(text.strip())
        if found is None or found[3].lower() != unit.lower():
            raise InputError(f"{self._origin}: {name} is not in {unit}: {text!r}")
        return float(found[1] or 1) * _PREFIXES[found[2].lower()]

    def _capacitance_unit(self) -> tuple[float, str, str]:
        found = re.search(
            r'^\s*capacitive_load_unit\s*\(\s*"?([\d.]+)"?\s*,\s*"?([fpn]?)(f)"?\s*\)', self._header, re.M | re.I
        )
        if found is None:
            raise InputError(f"{self._origin}: no capacitive_load_unit before its first cell")
        return float(found[1]), found[2].lower(), found[3].lower()

    def _parse(self, name: str) -> Cell:
        try:
            from liberty.parser import parse_liberty
            from liberty.tokenized import ParserError
        except ImportError as error:
            raise ToolError("no reader of Liberty files: run `pip install 'hwsim[silicon]'`") from error
        try:
            return self._cell(name, parse_liberty(_balanced(self._text[slice(*self._places[name])])))
        except (ParserError, KeyError, IndexError, TypeError, ValueError) as error:
            # What the reader makes of a cell without an area, or of a table of words, is one of these.
            raise InputError(f"{self._origin}: cell {name} cannot be read: {type(error).__name__} {error}") from error

    def _cell(self, name: str, group: Any) -> Cell:
        rails = {_text(g.args[0]) for g in group.get_groups("pg_pin") if _word(g, "pg_type") == "primary_power"}
        pins = [self._pin(pin, rails) for pin in group.get_groups("pin")]
        gate = _word(group, "clock_gating_integrated_cell") is not None
        return Cell(
            name=name,
            area_um2=float(group["area"]),
            leakage_nw=self._leakage(group, rails) * self.watt * 1e9,
            pins={pin.name: pin for pin in pins if pin is not None},
            state=_flip_flop(group),
            gates_clock=gate,
        )

    def _leakage(self, group: Any, rails: set[str]) -> float:
        if (stated := _word(group, "cell_leakage_power")) is not None:
            return float(stated)
        states = [g for g in group.get_groups("leakage_power") if _supplies(g, rails)]
        whole = [g for g in states if g.get("when") is None] or states
        return sum(float(g["value"]) for g in whole) / len(whole) if whole else 0.0

    def _pin(self, group: Any, rails: set[str]) -> Pin | None:
        name, direction = _text(group.args[0]), _word(group, "direction")
        if direction not in ("input", "output"):
            return None
        capacitance = float(_word(group, "capacitance") or 0.0) * self.farad * 1e15
        output = direction == "output"
        return Pin(
            name=name,
            is_output=output,
            capacitance_ff=0.0 if output else capacitance,
            function=_word(group, "function"),
            arcs=tuple(self._arcs(group, rails, name)),
            role=_role(group),
        )

    def _arcs(self, group: Any, rails: set[str], own: str) -> Iterator[Arc]:
        powers: dict[str, list[Lookup]] = {}
        slews: dict[str, list[Lookup]] = {}
        for power in group.get_groups("internal_power"):
            if not _supplies(power, rails):
                continue
            for related in (_word(power, "related_pin") or own).split():
                powers.setdefault(related, []).extend(self._tables(power, tuple(_TABLES.values()), self.farad * 1e15))
        for timing in group.get_groups("timing"):
            for related in (_word(timing, "related_pin") or "").split():
                found = self._tables(timing, ("rise_transition", "fall_transition"), self.second * 1e12)
                slews.setdefault(related, []).extend(found)
        for related in sorted(powers.keys() | slews.keys()):
            yield Arc(related, tuple(powers.get(related, ())), tuple(slews.get(related, ())))

    def _tables(self, group: Any, names: tuple[str, ...], scale: float) -> Iterator[Lookup]:
        """Energies are in the unit of capacitance times V²."""
        for table in (found for name in names for found in group.get_groups(name)):
            values = table.get_array("values").astype(float) * scale
            axes = [self._axis(table, f"index_{k}") for k in (1, 2)]
            if values.size == 1:
                axes = [(0.0,), (0.0,)]
            elif len(axes[1]) == 1 and values.shape[0] == 1:
                values = values.T
            rows = tuple(x * self.second * 1e12 for x in axes[0])
            columns = tuple(x * self.farad * 1e15 for x in axes[1])
            yield Lookup(rows, columns, tuple(tuple(map(float, row)) for row in values))

    def _axis(self, table: Any, name: str) -> tuple[float, ...]:
        if table.get(name) is None:
            return (0.0,)
        return tuple(map(float, table.get_array(name).ravel()))


def load_library(path: Path) -> Library:
    """The library in ``path``, gzip or not.

    Raises:
        InputError: it cannot be read, or is none.

    """
    return Library(library_text(path), path.name)


def library_text(path: Path) -> str:
    """The text of a library file, gzip or not.

    Raises:
        InputError: it cannot be read.

    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    try:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except EOFError as error:
        raise InputError(f"{path}: cannot be read: the gzip data ends early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: the gzip data is damaged") from error
    return plain.decode("utf-8", "replace")


def _mean(tables: tuple[Lookup, ...], slew_ps: float, load_ff: float) -> float:
    return sum(table(slew_ps, load_ff) for table in tables) / len(tables) if tables else 0.0


def _balanced(text: str) -> str:
    """``text`` up to the brace that closes its first one."""
    depth = 0
    for brace in re.finditer(r"[{}]", text):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return text[: brace.end()]
    raise ValueError("its braces are not closed")


def _text(value: Any) -> str:
    return str(value).strip('"')


def _word(group: Any, name: str) -> str | None:
    value = group.get(name)
    return None if value is None else _text(value)


def _supplies(group: Any, rails: set[str]) -> bool:
    """Whether it is of the supply. What ground has is the same charge, seen where it leaves."""
    rail = _word(group, "related_pg_pin")
    return rail is None or not rails or rail in rails


def _role(group: Any) -> str:
    for role in ("clock", "enable", "test"):
        if _word(group, f"clock_gate_{role}_pin") == "true":
            return role
    return "clock" if _word(group, "clock") == "true" else "data"


def _flip_flop(group: Any) -> tuple[str, str, str] | None:
    for found in group.get_groups("ff"):
        return _text(found.args[0]), _word(found, "next_state") or "", _word(found, "clocked_on") or ""
    return None
