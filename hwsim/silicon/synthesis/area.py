"""A whole accelerator in the cells of a library: area module by module, and the longest path.

Hierarchy is kept, so a module that is there many times is synthesised once. Memories are taken out before: a memory of
:data:`MACRO_WORDS` words or more that is written is a macro, a black box here; what it takes is the SRAM model's to
say. Smaller ones are queues, and flip-flops.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.silicon.cache import kept
from hwsim.silicon.netlist.hierarchy import MACROS, Macro, Part, instances, macros_of, parts_of
from hwsim.silicon.netlist.timing import LongestPath, longest_path, whole_design_script
from hwsim.silicon.synthesis.cells import CONSTRAINTS, map_to_cells, sizing_constraints, without_contents
from hwsim.silicon.synthesis.trial import try_library
from hwsim.silicon.synthesis.yosys import run_yosys, yosys_script
from hwsim.silicon.tools import absent, find

if TYPE_CHECKING:
    from hwsim.energy.table import Sram
    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.synthesis.cells import Recipe

__all__ = ["MACRO_WORDS", "Area", "measure_area"]

MACRO_WORDS = 64

_GATES = "generic.il"
_DELAY = re.compile(r"\bDelay = +([\d.]+) ps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A design in cells."""

    top: str
    library: str
    parts: tuple[Part, ...]
    """Largest first; the top module, which has all others inside, is the first."""
    macros: tuple[Macro, ...]
    path: LongestPath | None
    """The longest from register to register; wires and memories apart. None without OpenSTA."""
    logic_ps: float
    """ABC's own figure of the longest path of logic inside a module: without flip-flops and what crosses modules."""
    gate_um2: float | None
    """Of the library's smallest two-input NAND, in which gate equivalents are counted."""
    notes: tuple[str, ...]
    """What is not in it because a kind of cell is missing."""
    folder: Path
    """Where ``netlist.v`` and the logs are."""

    @property
    def um2(self) -> float:
        """Of all cells; memories apart."""
        return self.parts[0].total_um2

    @property
    def gates(self) -> float | None:
        """Gate equivalents of all cells."""
        return self.um2 / self.gate_um2 if self.gate_um2 else None

    def macro_um2(self, sram: Sram) -> float | None:
        """Of all memories, a copy for each read port; None where the model has no areas."""
        if sram.area_um2 is None:
            return None
        return sum(m.instances * m.read_ports * sram.area_um2(m.kib) for m in self.macros)


def measure_area(verilog: str, top: str, technology: Technology, recipe: Recipe) -> Area:
    """Synthesise module ``top`` of ``verilog`` and all under it, or find it synthesised.

    Raises:
        InputError: the library lacks a cell that is needed.
        ToolError: Yosys is missing, or refuses the design; the cache cannot be written.

    """
    try_library(technology)
    sizing = sizing_constraints(technology)
    text = without_contents(verilog)
    # The comment at its head names a configuration; equal hardware is equal below.
    body = text[text.index("module ") :]
    # And a library is the same wherever it lies: keys have scripts with this one's name alone.
    anywhere = replace(technology, path=Path("library.lib"))
    gates = _to_gates(top)
    generic = kept("generic", (find("yosys").version, gates, body), lambda folder: _generic(text, gates, folder))
    cells = _to_cells(generic / _GATES, top, technology, recipe)
    inputs = (generic.name, technology.text_hash, sizing, _to_cells(Path(_GATES), top, anywhere, recipe))
    mapped = kept("cells", inputs, lambda folder: _map(cells, sizing, folder))
    statistics = _load(mapped / "statistics.json")
    counts = instances({name: entry["num_cells_by_type"] for name, entry in statistics.items()}, top)
    path = None
    if absent("opensta") is None:
        inputs = (mapped.name, whole_design_script(top, anywhere))
        timed = kept("timing", inputs, lambda folder: _time(mapped, top, technology, folder))
        path = LongestPath(**json.loads((timed / "path.json").read_text(encoding="utf-8")))
    return Area(
        top=top,
        library=technology.library.name,
        parts=parts_of(statistics, top),
        macros=macros_of(_load(generic / "macros.json"), counts),
        path=path,
        logic_ps=_logic_ps((mapped / "synthesis.log").read_text(encoding="utf-8")),
        gate_um2=technology.gate_um2,
        notes=tuple(filter(None, (technology.without_clock_gates,))),
        folder=mapped,
    )


def _to_gates(top: str) -> str:
    """Commands from ``design.v`` to gates of no library, memories apart."""
    return yosys_script(
        "read_verilog -defer design.v",
        f"hierarchy -top {top}",
        *("proc", "opt -fast", "memory -nomap", "opt_clean"),
        # A ROM is logic.
        f"select -set {MACROS} t:$mem_v2 r:SIZE>={MACRO_WORDS} %i r:WR_PORTS>=1 %i",
        f"select @{MACROS}",
        "write_json -selected macros.json",
        "select -clear",
        f'setattr -set submod "{MACROS}" @{MACROS}',
        "submod",
        f"blackbox *_{MACROS}",
        "setattr -mod -set keep_hierarchy 1 *",
        # ABC comes later, with the library.
        f"synth -noabc -top {top}",
        f"write_rtlil {_GATES}",
    )


def _to_cells(gates: Path, top: str, technology: Technology, recipe: Recipe) -> str:
    """Commands from ``gates`` to cells of the library."""
    return yosys_script(
        f"read_rtlil {gates}",
        f"hierarchy -top {top}",
        *map_to_cells(technology, recipe, constraints=CONSTRAINTS),
        f"tee -q -o statistics.json stat -json -liberty {technology.path}",
        "write_verilog -noattr -noexpr -nohex -nodec netlist.v",
    )


def _generic(verilog: str, script: str, folder: Path) -> None:
    (folder / "design.v").write_text(verilog, encoding="utf-8")
    run_yosys(script, folder)


def _map(script: str, constraints: str, folder: Path) -> None:
    (folder / CONSTRAINTS).write_text(constraints, encoding="utf-8")
    run_yosys(script, folder)


def _time(mapped: Path, top: str, technology: Technology, folder: Path) -> None:
    path = longest_path(mapped / "netlist.v", top, technology, folder)
    (folder / "path.json").write_text(json.dumps(asdict(path)), encoding="utf-8")


def _load(path: Path) -> dict[str, Any]:
    """Modules by name, as Verilog has it."""
    text = path.read_text(encoding="utf-8")
    # What `tee` writes begins with a message.
    modules = json.loads(text[text.index("{") :])["modules"]
    return {name.removeprefix("\\"): module for name, module in modules.items()}


def _logic_ps(log: str) -> float:
    return max((float(delay) for delay in _DELAY.findall(log)), default=0.0)
