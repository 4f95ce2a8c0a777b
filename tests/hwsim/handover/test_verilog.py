"""Plain names stand for escaped ones, one for one, and modules come apart without a loss."""

from __future__ import annotations

import re

from hwsim.handover.verilog import modules, plain_names

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
