"""A cell library prepared for synthesis: a plain file of it, which cells to leave alone, and its clock gate."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hwsim.errors import InputError
from hwsim.files import make_folder, write_text
from hwsim.silicon.library.liberty import Cell, Library, library_text

__all__ = ["Technology", "prepare"]

_FANOUT = 3
_BUFFER = re.compile(r"(?:^|_)buf", re.IGNORECASE)
_NAND = re.compile(r"(?:^|_)nand2(?!b)", re.IGNORECASE)


@dataclass(frozen=True)
class Technology:
    """A library, on disk and parsed."""

    path: Path
    """Plain text, which every program reads."""
    library: Library
    dont_use: tuple[str, ...] = ()
    """Patterns of cells that synthesis is to leave alone."""

    @cached_property
    def typical_slew_ps(self) -> float:
        """Transition of a flip-flop's output with three of its own inputs on it: what inputs of a module have.

        Raises:
            InputError: there is no flip-flop, or it has no tables of transitions.

        """
        flop = self.flip_flop
        pins = flop.pins.values()
        load = _FANOUT * max((pin.capacitance_ff for pin in pins if not pin.is_output), default=0.0)
        arcs = [arc for pin in pins for arc in pin.arcs if arc.slew_ps]
        if not arcs:
            raise InputError(f"{self.library.name}: {flop.name} has no tables of its output's transition (timing)")
        return sum(arc.slew(0.0, load) for arc in arcs) / len(arcs)

    @cached_property
    def flip_flop(self) -> Cell:
        """The first one that may be used.

        Raises:
            InputError: there is none.

        """
        usable = (name for name in self.library.cell_names if name not in self.unused_cells)
        name = next((name for name in usable if self.library.has_state(name)), None)
        if name is None:
            raise InputError(
                f"{self.library.name}: no cell that may be used is a flip-flop (a group ff), which registers need"
            )
        return self.library.cell(name)

    @cached_property
    def without_clock_gates(self) -> str | None:
        """One line that says so; None where synthesis has a clock gate to use."""
        usable = (name for name in self.library.cell_names if name not in self.unused_cells)
        if any(map(self.library.gates_clock, usable)):
            return None
        return (
            f"no clock gates: {self.library.name} has no cell for them that may be used "
            "(clock_gating_integrated_cell without dont_use), so every register is clocked in every cycle"
        )

    @cached_property
    def text_hash(self) -> str:
        """16 hex digits for the library's text."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    @cached_property
    def buffer(self) -> Cell:
        """The smallest buffer, by its name.

        Raises:
            InputError: there is none.

        """
        found = self._smallest(_BUFFER)
        if found is None:
            raise InputError(f"{self.library.name}: no cell has the name of a buffer (buf...), which sizing needs")
        return found

    @cached_property
    def gate_um2(self) -> float | None:
        """Area of the smallest NAND of two inputs, by its name: a gate equivalent. None where there is none."""
        found = self._smallest(_NAND)
        return found.area_um2 if found else None

    def _smallest(self, name: re.Pattern[str]) -> Cell | None:
        names = [n for n in self.library.cell_names if name.search(n) and n not in self.unused_cells]
        return min(map(self.library.cell, names), key=lambda cell: cell.area_um2, default=None)

    @cached_property
    def unused_cells(self) -> tuple[str, ...]:
        """Names that the patterns match.

        Raises:
            InputError: a pattern matches none.

        """
        names = self.library.cell_names
        found: list[str] = []
        for pattern in self.dont_use:
            matches = fnmatch.filter(names, pattern)
            if not matches:
                raise InputError(f"--dont-use {pattern}: {self.library.name} has no such cell")
            found += matches
        return tuple(sorted(set(found)))


def prepare(liberty: Path, folder: Path, dont_use: tuple[str, ...] = ()) -> Technology:
    """The library in ``liberty``, unpacked into ``folder``.

    The folder is made when the library is known to be one.

    Raises:
        InputError: it cannot be read, or is no library; no cell of a pattern; the folder cannot be written.

    """
    text = library_text(liberty)
    plain = folder / "library.lib"
    technology = Technology(plain, Library(text, liberty.name), dont_use)
    # Patterns are refused before the work.
    _ = technology.unused_cells
    make_folder(folder)
    write_text(plain, text)
    return technology
