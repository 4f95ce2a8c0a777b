"""A library tried on a module of a few registers and gates: what Yosys makes nothing of is refused before the work.

Reading a library takes seconds, synthesising an accelerator minutes; that a flip-flop or an inverter is missing, or
that there is a syntax error in a cell, would come at the end of them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import InputError, ToolError
from hwsim.silicon.cache import kept
from hwsim.silicon.synthesis.cells import Recipe, module_script, synthesise
from hwsim.silicon.tools import find

if TYPE_CHECKING:
    from hwsim.silicon.library.technology import Technology

__all__ = ["try_library"]

TOP = "trial"
_VERILOG = f"""\
module {TOP}(input clk, input rst, input en, input [7:0] a, output reg [7:0] q);
  always @(posedge clk) if (rst) q <= 0; else if (en) q <= q + (a ^ (q & 8'h5a));
endmodule
"""
_ERROR = re.compile(r"\berror: (.*)", re.IGNORECASE)
_SAID = 2
"""Of the lines that follow: the second says where."""


def try_library(technology: Technology) -> None:
    """Synthesise a counter with reset and enable, once for each library.

    Raises:
        InputError: it cannot be done with the library's cells.
        ToolError: Yosys or the reader of libraries is missing; the cache cannot be written.

    """
    # Of what the models below need, and read by another reader than Yosys' own.
    _ = technology.typical_slew_ps
    recipe = Recipe(period_ps=1000.0)
    anywhere = replace(technology, path=Path("library.lib"))
    inputs = (find("yosys").version, technology.text_hash, _VERILOG, module_script(TOP, anywhere, recipe))

    def make(folder: Path) -> None:
        synthesise(_VERILOG, TOP, technology, recipe, folder)

    try:
        kept("trial", inputs, make)
    except ToolError as error:
        if (found := _ERROR.search(str(error))) is None:
            raise
        said = " / ".join(found[1].split(" / ")[:_SAID])
        raise InputError(
            f"{technology.library.name}: no registers and gates can be made of its cells: {said}{_cut_off(technology)}"
        ) from error


def _cut_off(technology: Technology) -> str:
    """What Yosys does not say of a file that ends in the middle of a cell."""
    text = technology.path.read_text(encoding="utf-8")
    return "" if text.count("{") == text.count("}") else " (its braces are not closed: is the file whole?)"
