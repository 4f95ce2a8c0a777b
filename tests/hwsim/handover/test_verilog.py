"""Plain names stand for escaped ones, one for one, and modules come apart without a loss."""

from __future__ import annotations

import re

from hwsim.handover.verilog import modules, plain_names, synthesisable
from tests.hwsim.handover.hardware import small_contents

TEXT = r"""// a header
// of two lines

module top(clk, \in$1 , \begin , \program$7 , a);
  wire \$3 ;
  wire [1:0] \in$1 ;
  reg [7:0] \mem  [3:0];
  wire in;
  wire \a.b ;
  assign \$3  = \in$1 [0] & \mem [0];
  \top.sub  sub (
    .clk(clk),
    .\in$1 (\in$1 )
  );
endmodule

module \top.sub (clk, \in$1 );
  input clk;
  assign x = 4'hf;
endmodule
"""


def test_no_name_is_escaped():
    assert "\\" not in plain_names(TEXT)


def test_two_names_stay_two():
    plain = plain_names(TEXT)
    assert "wire in;" in plain
    assert "wire [1:0] in_2;" in plain
    assert "assign expr_3 = in_2[0] & mem_[0];" in plain


def test_a_name_is_the_same_inside_and_outside_of_a_module():
    plain = plain_names(TEXT)
    assert "module top_sub(clk, in_2);" in plain
    assert "top_sub sub (\n    .clk(clk),\n    .in_2(in_2)\n" in plain


def test_a_keyword_does_not_become_one():
    """Nor one of SystemVerilog, when it loses its number."""
    assert "in_2, begin_, program_2, a" in plain_names(TEXT)
    assert not re.search(r"\b(begin|program)\b", plain_names(TEXT))


def test_text_without_escaped_names_stays_as_it_is():
    plain = plain_names(TEXT)
    assert plain_names(plain) == plain


def test_modules_come_apart():
    parts = modules(plain_names(TEXT))
    assert list(parts) == ["top", "top_sub"]
    assert all(part.startswith("// a header\n// of two lines\n\nmodule ") for part in parts.values())
    assert parts["top_sub"].endswith(
        "module top_sub (\n    clk,\n    in_2\n);\n  input clk;\n  assign x = 4'hf;\nendmodule\n"
    )


STARTS = """  integer row_of_mem;
  initial for (row_of_mem = 0; row_of_mem < 8; row_of_mem = row_of_mem + 1) mem[row_of_mem] = 4'h0;
  always @(posedge clk) mem[a] <= b;
  initial begin
    sums[0] = 32'd0;
    sums[1] = 32'd7;
  end
  reg [3:0] count = 4'h2;
  initial
    fault[7:4] = 4'h3;
"""


def seen(text: str, *, by_synthesis: bool) -> str:
    """What is left of ``text`` behind the preprocessor, with SYNTHESIS defined or not."""
    kept, shown = [], [True]
    for line in text.splitlines():
        if line.startswith(("`ifdef SYNTHESIS", "`ifndef SYNTHESIS")):
            shown.append(line.startswith("`ifdef") == by_synthesis)
        elif line == "`else":
            shown[-1] = not shown[-1]
        elif line == "`endif":
            shown.pop()
        elif all(shown):
            kept.append(line + "\n")
    assert shown == [True]
    return "".join(kept)


def test_a_simulator_sees_what_it_saw():
    assert seen(synthesisable(STARTS), by_synthesis=False) == STARTS


def test_synthesis_sees_memories_without_contents_and_constants_that_are_driven():
    assert seen(synthesisable(STARTS), by_synthesis=True) == (
        "  always @(posedge clk) mem[a] <= b;\n  reg [3:0] count = 4'h2;\n  always @*\n    fault[7:4] = 4'h3;\n"
    )


def test_nothing_that_synthesis_sees_of_an_accelerator_is_initial():
    parts = [part for name, part in small_contents().items() if name.endswith(".v")]
    assert any("initial" in part for part in parts)
    assert not any("initial" in seen(part, by_synthesis=True) for part in parts)
