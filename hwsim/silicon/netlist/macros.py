"""Memories of a module, outside its netlist: their ports become the module's own, and a bench has their behaviour.

A memory that is read a cycle later is a macro of some memory compiler, and never cells. One that is read in the same
cycle is flip-flops: no macro is read so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["MACRO_CELL", "OUTSIDE", "Macro"]

MACRO_CELL = "macro"
"""What memories are called in Yosys from :data:`OUTSIDE` on."""

OUTSIDE = (
    "select -set asynchronous t:$mem_v2 r:RD_CLK_ENABLE=1'0 %i",
    "memory_map @asynchronous",
    f"chtype -set \\{MACRO_CELL} t:$mem_v2",
)
"""Passes behind ``synth -run begin:fine``: small memories to flip-flops, others to cells that nothing looks into."""

_BEHAVIOUR = """\
  reg [{width}-1:0] {name}_words [0:{words}-1];
  reg [{width}-1:0] {name}_read = 0;
  always @(posedge clk) begin
    if ({name}_rd_en) {name}_read <= #{launch} {name}_words[{name}_rd_addr];
    {name}_words[{name}_wr_addr] <= ({name}_words[{name}_wr_addr] & ~{name}_wr_en) | ({name}_wr_data & {name}_wr_en);
  end
"""


@dataclass(frozen=True, slots=True)
class Macro:
    """A memory of one read and one write port: nets by the name of its port, lowest bit first."""

    name: str
    words: int
    width: int
    outputs: dict[str, tuple[str, ...]]
    """Of the netlist: what it is addressed by and what is written."""
    read: tuple[str, ...]
    """What it gives, a cycle after ``rd_en``."""

    @classmethod
    def of_cell(cls, cell: dict[str, Any], nets: dict[str, tuple[str, ...]]) -> Macro:
        """As Yosys' JSON has it; ``nets`` by the cell's own pins.

        Raises:
            ValueError: it has more ports, or is read in another way.

        """
        numbers = {key: int(cell["parameters"][key], 2) for key in ("SIZE", "WIDTH", "RD_PORTS", "WR_PORTS")}
        if (numbers["RD_PORTS"], numbers["WR_PORTS"]) != (1, 1):
            raise ValueError(f"{cell['parameters']['MEMID']}: a memory of one read and one write port is expected")
        outputs = {port.lower(): nets[port] for port in ("RD_EN", "RD_ADDR", "WR_EN", "WR_ADDR", "WR_DATA")}
        name = re.sub(r"\W", "", cell["parameters"]["MEMID"])
        return cls(name, numbers["SIZE"], numbers["WIDTH"], outputs, nets["RD_DATA"])

    def behaviour(self, launch: str) -> str:
        """Verilog whose wires are called as the ports; words that nobody wrote are unknown.

        ``launch`` is the time from the clock to what is read.
        """
        return _BEHAVIOUR.format(name=self.name, words=self.words, width=self.width, launch=launch)
