"""Synthesis of one module of a design to the cells of a library, by Yosys and ABC.

Memories are never mapped to cells: their ports become the module's (:mod:`hwsim.silicon.netlist.macros`), and what they
take is the SRAM model's to say.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.silicon.netlist.macros import OUTSIDE
from hwsim.silicon.synthesis.yosys import run_yosys, yosys_script

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.silicon.library.technology import Technology

__all__ = [
    "CONSTRAINTS",
    "Recipe",
    "map_to_cells",
    "module_script",
    "sizing_constraints",
    "synthesise",
    "without_contents",
]

CONSTRAINTS = "abc.constr"
"""Name of the file of :func:`sizing_constraints`."""
_LOADS = 4
"""Buffers that the output of a module drives."""

_CONTENTS = re.compile(r"^  integer (row_of_\w+);\n  initial for \(\1 = .*;\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to synthesise."""

    period_ps: float
    """What ABC sizes for; a longer one gives smaller cells."""
    clock_gating: bool = True
    """Registers that are written under a condition get a gated clock, where the library has a cell for it."""
    gate_at_least: int = 4
    """Fewest flip-flops behind one clock gate."""
    booth: bool = False
    """Multipliers with Booth's recoding: fewer partial products, so less energy and area; the path may be longer."""


def synthesise(
    verilog: str, top: str, technology: Technology, recipe: Recipe, folder: Path, *, constraints: str | None = None
) -> dict[str, Any]:
    """The flat netlist of module ``top``, as Yosys' JSON has it. Files go to ``folder``.

    ``constraints`` are :func:`sizing_constraints` for a module whose nets drive hundreds of pins: ABC then buffers and
    sizes. A PE has no such nets, and is left as it is mapped.

    Raises:
        ToolError: Yosys is missing, or refuses the design.

    """
    (folder / "design.v").write_text(without_contents(verilog), encoding="utf-8")
    sizing = None
    if constraints is not None:
        sizing = CONSTRAINTS
        (folder / sizing).write_text(constraints, encoding="utf-8")
    run_yosys(module_script(top, technology, recipe, constraints=sizing), folder)
    return json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"][top]


def without_contents(verilog: str) -> str:
    """``verilog`` of :mod:`rtl.emission` without what its memories start with, which is for simulation.

    Yosys makes a cell for each word of it: most of a design's, and minutes.
    """
    return _CONTENTS.sub("", verilog)


def map_to_cells(technology: Technology, recipe: Recipe, *, constraints: str | None = None) -> list[str]:
    """Yosys commands from generic gates to the library's cells; with ``constraints``, a file, ABC buffers and sizes."""
    library = technology.path
    avoid = "".join(f" -dont_use {cell}" for cell in technology.unused_cells)
    gating = [f"clockgate -liberty {library} -min_net_size {recipe.gate_at_least}{avoid}"] * recipe.clock_gating
    sizing = f" -constr {constraints}" if constraints else ""
    return [
        # What registers start with is for simulation: a cell starts as it likes.
        "setattr -unset init",
        *gating,
        f"dfflibmap -liberty {library}{avoid}",
        "opt",
        f"abc -liberty {library} -D {recipe.period_ps:.0f}{sizing}{avoid}",
        "setundef -zero",
        "splitnets",
        "opt_clean -purge",
    ]


def sizing_constraints(technology: Technology) -> str:
    """What ABC sizes by: the library's smallest buffer drives every input, and every output drives a few of them."""
    buffer = technology.buffer
    load = _LOADS * max(pin.capacitance_ff for pin in buffer.pins.values())
    return f"set_driving_cell {buffer.name}\nset_load {load:g}\n"


def module_script(top: str, technology: Technology, recipe: Recipe, *, constraints: str | None = None) -> str:
    """What :func:`synthesise` has Yosys do; ``constraints`` is the file of them, if any."""
    return yosys_script(
        "read_verilog -defer design.v",
        f"hierarchy -top {top}",
        f"synth -flatten -top {top}{' -booth' * recipe.booth} -run begin:fine",
        *OUTSIDE,
        f"synth -flatten -top {top} -run fine:check",
        # Clock gating leaves registers alone that have a reset beside their condition: it becomes part of both.
        *["dffunmap -srst-only t:$_SDFFE_* t:$_SDFFCE_*"] * recipe.clock_gating,
        *map_to_cells(technology, recipe, constraints=constraints),
        "write_json netlist.json",
    )
