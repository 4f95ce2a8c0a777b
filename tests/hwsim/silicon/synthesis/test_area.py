"""The area of a design by module: every cell is counted once, memories are not cells, and nothing is done twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from hwsim.errors import ToolError
from hwsim.silicon.library.memory import load_memories
from hwsim.silicon.library.technology import prepare
from hwsim.silicon.netlist.assignments import single_assignments
from hwsim.silicon.netlist.hierarchy import instances
from hwsim.silicon.netlist.timing import longest_path
from hwsim.silicon.synthesis import area as area_module
from hwsim.silicon.synthesis.area import measure_area
from hwsim.silicon.synthesis.bound import elements, measure_pe
from hwsim.silicon.synthesis.cells import Recipe, without_contents
from rtl.cell import Cell, emit
from rtl.config import ArchConfig, load_arch
from rtl.dense.weight_stationary.column import Column
from tests.hwsim.silicon.libraries import SG13G2, library_file, need

RECIPE = Recipe(period_ps=4000)
DESIGN = """\
// A header that says nothing of the hardware.
module top(clk, a, b, address, write, p, q, data);
  input clk; input [3:0] a; input [3:0] b; input [5:0] address; input write;
  output [9:0] p; output [9:0] q; output [7:0] data;
  wire [7:0] read;
  mac first(.clk(clk), .a(a), .b(b), .sum(p));
  mac second(.clk(clk), .a(b), .b(a), .sum(q));
  bank store(.clk(clk), .write(write), .address(address), .data(p[7:0]), .read(read));
  reg [7:0] held [3:0];
  always @(posedge clk) held[address[1:0]] <= read;
  assign data = held[address[3:2]];
endmodule
module mac(clk, a, b, sum);
  input clk; input [3:0] a; input [3:0] b;
  output reg [9:0] sum;
  always @(posedge clk) sum <= sum + a * b;
endmodule
module bank(clk, write, address, data, read);
  input clk; input write; input [5:0] address; input [7:0] data;
  output reg [7:0] read;
  reg [7:0] words [63:0];
  integer row_of_words;
  initial for (row_of_words = 0; row_of_words < 64; row_of_words = row_of_words + 1) words[row_of_words] = 8'h00;
  always @(posedge clk) begin read <= words[address]; if (write) words[address] <= data; end
endmodule
"""


class Around(wiring.Component):
    """A top module for a cell."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        super().__init__({"o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.cell = self.cell
        m.d.comb += self.o.eq(self.cell.psum_o[0])
        return m


def refuse(*_arguments, **_options) -> str:
    raise AssertionError("synthesised again")


@pytest.fixture(scope="module")
def technology(tmp_path_factory: pytest.TempPathFactory):
    need("yosys")
    return prepare(library_file(SG13G2), tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWSIM_CACHE", str(cache))


def test_every_cell_is_counted_once_and_a_module_as_often_as_it_is_there(technology) -> None:
    area = measure_area(DESIGN, "top", technology, RECIPE)
    parts = {part.module: part for part in area.parts}
    assert {name: part.instances for name, part in parts.items()} == {"top": 1, "mac": 2, "bank": 1}
    assert area.um2 == parts["top"].total_um2
    assert area.um2 == pytest.approx(sum(part.instances * part.own_um2 for part in area.parts))
    assert parts["mac"].own_um2 == parts["mac"].total_um2
    assert 0 < parts["mac"].flip_flop_um2 < parts["mac"].own_um2
    # Ten bits of a sum are ten flip-flops.
    assert parts["mac"].flip_flop_um2 == pytest.approx(10 * technology.library.cell("sg13g2_dfrbp_1").area_um2)
    assert area.gates == pytest.approx(area.um2 / 7.2576)


def test_a_memory_of_many_words_is_a_macro_and_a_queue_is_flip_flops(technology) -> None:
    area = measure_area(DESIGN, "top", technology, RECIPE)
    (macro,) = area.macros
    assert (macro.module, macro.instances, macro.words, macro.bits, macro.read_ports) == ("bank", 1, 64, 8, 1)
    assert macro.kib == 64 / 1024
    queue = {part.module: part for part in area.parts}["top"]
    assert queue.flip_flop_um2 >= 32 * technology.library.cell("sg13g2_dfrbp_1").area_um2
    sram = load_memories("sky130").sram
    assert sram.area_um2 is not None
    assert area.macro_um2(sram) == sram.area_um2(macro.kib)


def test_what_was_synthesised_is_found_again_whatever_its_header_says(technology, monkeypatch) -> None:
    before = measure_area(DESIGN, "top", technology, RECIPE)

    monkeypatch.setattr(area_module, "run_yosys", refuse)
    assert measure_area(DESIGN.replace("nothing", "little"), "top", technology, RECIPE) == before
    with pytest.raises(AssertionError, match="synthesised again"):
        measure_area(DESIGN, "top", technology, Recipe(period_ps=2000))


def test_what_was_synthesised_is_found_again_wherever_the_library_lies(technology, monkeypatch, tmp_path: Path) -> None:
    before = measure_area(DESIGN, "top", technology, RECIPE)
    monkeypatch.setattr(area_module, "run_yosys", refuse)
    assert measure_area(DESIGN, "top", prepare(library_file(SG13G2), tmp_path), RECIPE) == before


def test_another_script_synthesises_again(technology, monkeypatch) -> None:
    measure_area(DESIGN, "top", technology, RECIPE)
    monkeypatch.setattr(area_module, "run_yosys", refuse)
    monkeypatch.setattr(area_module, "MACRO_WORDS", 32)
    with pytest.raises(AssertionError, match="synthesised again"):
        measure_area(DESIGN, "top", technology, RECIPE)


def test_without_opensta_the_logic_of_a_module_is_what_abc_says(technology, monkeypatch) -> None:
    monkeypatch.setattr(area_module, "absent", lambda name: f"no {name}")
    area = measure_area(DESIGN, "top", technology, RECIPE)
    assert area.path is None
    assert 100 < area.logic_ps < 4000


def test_the_longest_path_is_longer_than_its_logic_and_ends_where_it_ends(technology) -> None:
    need("opensta")
    area = measure_area(DESIGN, "top", technology, RECIPE)
    assert area.path is not None
    assert area.path.period_ps > 300
    assert area.path.start.split("/")[0] in ("first", "second")
    assert area.path.fmax_mhz == pytest.approx(1e6 / area.path.period_ps)


def test_a_netlist_that_opensta_cannot_read_is_not_timed(technology, tmp_path: Path) -> None:
    need("opensta")
    netlist = tmp_path / "broken.v"
    netlist.write_text("module top(clk);\n  input clk;\n  assign = clk;\nendmodule\n")
    (tmp_path / "work").mkdir()
    with pytest.raises(ToolError, match=r"^opensta: Error: .*netlist\.v, line 3 syntax error"):
        longest_path(netlist, "top", technology, tmp_path / "work")


def test_assignments_to_several_signals_are_taken_apart_bit_by_bit() -> None:
    lines = ["module m(a);\n", "  output [3:2] a;\n", "  assign { a, b[0], c } = { 2'b10, d[5:4] };\n", "endmodule\n"]
    assert [line.strip() for line in single_assignments(lines)][2:-1] == [
        "assign a [3] = 1'b1;",
        "assign a [2] = 1'b0;",
        "assign b [0] = d [5];",
        "assign c  = d [4];",
    ]


def test_memories_lose_what_they_start_with_and_nothing_else() -> None:
    text = without_contents(DESIGN)
    assert "initial" not in text
    assert "row_of" not in text
    assert len(text.splitlines()) == len(DESIGN.splitlines()) - 2


def test_instances_multiply_on_the_way_down() -> None:
    inside = {"top": {"row": 4, "NAND": 3}, "row": {"pe": 8}, "pe": {}, "unused": {"pe": 9}}
    assert instances(inside, "top") == Counter(top=1, row=4, pe=32)


def test_a_pe_is_larger_than_a_multiplier_an_adder_and_its_registers(technology) -> None:
    base = load_arch("dense-8x8").model_dump()
    config = ArchConfig.model_validate(base | {"dense": base["dense"] | {"rows": 2, "cols": 2, "depthwise_taps": 0}})
    (element,) = elements(config)
    assert (element.kind, element.sum_bits) == ("weight-stationary", 17)
    # Not the whole accelerator, which takes seconds to emit.
    verilog = emit(Around(Column(config)), "top")
    measured = measure_pe(verilog, element, technology, RECIPE)
    flop = technology.library.cell("sg13g2_dfrbp_1").area_um2
    # The first row's sum is a product: its two highest bits are one.
    assert measured.bound.flip_flops == pytest.approx((2 * (24 + 17) - 1) / 2 * flop)
    assert measured.pe.total > measured.bound.total
    assert measured.pe.flip_flops >= measured.bound.flip_flops


def test_elements_of_a_hybrid_are_both_kinds() -> None:
    kinds = [(e.kind, e.a_bits, e.b_bits, e.sum_bits) for e in elements(load_arch("hybrid-16x16-eie-16"))]
    assert kinds == [("weight-stationary", 8, 8, 20), ("zero-skipping", 9, 16, 32)]
