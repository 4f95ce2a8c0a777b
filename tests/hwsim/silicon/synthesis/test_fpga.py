"""What a design takes of an ECP5: multipliers and memories where they map, and what does not fit is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hwsim.errors import ToolError
from hwsim.silicon.synthesis import fpga
from hwsim.silicon.synthesis.fpga import PARTS, measure_fpga
from tests.hwsim.silicon.libraries import need

MULTIPLIERS = 3
DESIGN = f"""\
module top(clk, a, b, address, write, p, data);
  input clk;
  input [{18 * MULTIPLIERS - 1}:0] a;
  input [17:0] b;
  input [10:0] address;
  input write;
  output [{36 * MULTIPLIERS - 1}:0] p;
  output [7:0] data;
  bank store(.clk(clk), .write(write), .address(address), .data(b[7:0]), .read(data));
  genvar k;
  for (k = 0; k < {MULTIPLIERS}; k = k + 1)
    mac one(.clk(clk), .a(a[18 * k +: 18]), .b(b), .p(p[36 * k +: 36]));
endmodule
module mac(clk, a, b, p);
  input clk; input [17:0] a; input [17:0] b;
  output reg [35:0] p;
  always @(posedge clk) p <= a * b;
endmodule
module bank(clk, write, address, data, read);
  input clk; input write; input [10:0] address; input [7:0] data;
  output reg [7:0] read;
  reg [7:0] words [2047:0];
  always @(posedge clk) begin read <= words[address]; if (write) words[address] <= data; end
endmodule
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path))


def test_multipliers_and_memories_map_and_what_does_not_fit_is_named_and_not_placed(monkeypatch) -> None:
    need("yosys")
    monkeypatch.setattr(fpga, "absent", lambda name: f"no {name}")
    few = dataclasses.replace(PARTS["25k"], multipliers=2)
    small = measure_fpga(DESIGN, "top", few)
    assert (small.multipliers, small.block_rams) == (MULTIPLIERS, 1)
    # The registers of products are counted, those of the harness are not.
    assert small.flip_flops == 36 * MULTIPLIERS
    assert small.excess() == ["3 MULT18X18D of 2"]
    assert small.placed is None
    large = measure_fpga(DESIGN, "top", PARTS["25k"])
    assert large.excess() == []
    assert large.placed is None, "nextpnr is absent"


def test_a_module_that_is_not_there_is_said(monkeypatch) -> None:
    need("yosys")
    with pytest.raises(ToolError, match=r"^no module elsewhere to put into the ECP5$"):
        measure_fpga(DESIGN, "elsewhere", PARTS["85k"])


@pytest.mark.slow
def test_a_design_that_fits_is_placed_and_routed() -> None:
    need("yosys", "ecp5")
    area = measure_fpga(DESIGN, "top", PARTS["25k"])
    assert area.multipliers == MULTIPLIERS
    assert area.placed is not None
    assert 50 < area.placed.fmax_mhz < 600
    assert area.placed.luts > 0
