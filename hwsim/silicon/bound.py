"""A processing element beside its bound: a multiplier, an adder, and the registers that its dataflow needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.silicon.area import measure_area
from rtl.sparse.layout import ACTIVATION_BITS

if TYPE_CHECKING:
    from hwsim.silicon.area import Area
    from hwsim.silicon.synthesis import Recipe
    from hwsim.silicon.technology import Technology
    from rtl.config import ArchConfig

__all__ = ["Cells", "Element", "PeArea", "elements", "measure_pe"]

_BOUND = "bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A kind of PE of a configuration."""

    kind: str
    module: str
    """That holds ``count`` of them."""
    count: int
    a_bits: int
    b_bits: int
    sum_bits: int
    operand_registers: int
    """Bits, the sum apart: what has to be held while a PE multiplies, and handed on to the next."""

    def bound(self) -> str:
        """Verilog of the bound: one multiplication and one addition a cycle, nothing that decides when."""
        a, b, total = self.a_bits, self.b_bits, self.sum_bits
        held = self.operand_registers
        return (
            f"module {_BOUND}(input clk, input [{held - 1}:0] i, output reg [{held - 1}:0] o,\n"
            # Signs in the expression alone: a netlist's wires have none.
            f"  input [{total - 1}:0] psum_i, output reg [{total - 1}:0] psum_o);\n"
            "  always @(posedge clk) begin\n    o <= i;\n"
            f"    psum_o <= $signed(psum_i) + $signed(o[{a - 1}:0]) * $signed(o[{a + b - 1}:{a}]);\n"
            "  end\nendmodule\n"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Area of one PE, in µm²."""

    flip_flops: float
    logic: float

    @property
    def total(self) -> float:
        """Both."""
        return self.flip_flops + self.logic


@dataclass(frozen=True, slots=True, kw_only=True)
class PeArea:
    """A PE and its bound, synthesised in the same way."""

    element: Element
    pe: Cells
    bound: Cells


def elements(config: ArchConfig) -> list[Element]:
    """The kinds of PE that ``config`` has."""
    found = []
    if config.dense_engine is not None:
        stationary = config.dense.dataflow == "weight_stationary"
        found.append(
            Element(
                kind=config.dense.dataflow.replace("_", "-"),
                module="column",
                count=config.dense.rows,
                a_bits=8,
                b_bits=8,
                sum_bits=config.psum_bits,
                # An activation, and two weights (the next is loaded beside the stream) or the one that moves on.
                operand_registers=24 if stationary else 16,
            )
        )
    if config.sparse_engine is not None:
        weight_bits = config.sparse.weight_bits
        found.append(
            Element(
                kind="zero-skipping",
                module="processing_element",
                count=1,
                a_bits=ACTIVATION_BITS,
                b_bits=weight_bits,
                sum_bits=32,
                operand_registers=ACTIVATION_BITS + weight_bits,
            )
        )
    return found


def measure_pe(verilog: str, element: Element, technology: Technology, recipe: Recipe) -> PeArea:
    """Synthesise ``element`` of the accelerator's ``verilog``, and its bound.

    Raises:
        ToolError: Yosys is missing, or refuses the Verilog.

    """
    return PeArea(
        element=element,
        pe=_cells(measure_area(verilog, element.module, technology, recipe), element.count),
        bound=_cells(measure_area(element.bound(), _BOUND, technology, recipe), 1),
    )


def _cells(area: Area, count: int) -> Cells:
    flip_flops = sum(part.instances * part.flip_flop_um2 for part in area.parts) / count
    return Cells(flip_flops=flip_flops, logic=area.um2 / count - flip_flops)
