"""A processing element beside its bound: a multiplier, an adder, and the registers that its dataflow needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hwsim.silicon.synthesis.area import measure_area
from rtl.sparse.layout import ACTIVATION_BITS

if TYPE_CHECKING:
    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.synthesis.area import Area
    from hwsim.silicon.synthesis.cells import Recipe
    from rtl.config import ArchConfig

__all__ = ["Cells", "Element", "PeArea", "elements", "measure_pe"]

_BOUND = "bound"
Addend = Literal["sum of the row above", "own sum", "memory"]


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
    addend: Addend
    """What a product is added to. The first row of a column has none above it."""

    def bound(self) -> str:
        """Verilog of ``count`` bounds: a multiplication and an addition a cycle, and nothing that decides when."""
        a, b, held, total = self.a_bits, self.b_bits, self.operand_registers, self.sum_bits
        lines = [
            f"module {_BOUND}(input clk, input [{held * self.count - 1}:0] i, output [{held * self.count - 1}:0] o,",
            f"  input [{total * self.count - 1}:0] memory, output [{total * self.count - 1}:0] sums);",
        ]
        for k in range(self.count):
            addend = {
                "sum of the row above": f"$signed(sum_{k - 1})" if k else f"{total}'sd0",
                "own sum": f"$signed(sum_{k})",
                "memory": f"$signed(memory[{total * k} +: {total}])",
            }[self.addend]
            product = f"$signed(held_{k}[{a - 1}:0]) * $signed(held_{k}[{a + b - 1}:{a}])"
            lines += [
                f"  reg [{held - 1}:0] held_{k};",
                f"  reg [{total - 1}:0] sum_{k};",
                f"  assign o[{held * k} +: {held}] = held_{k};",
                f"  assign sums[{total * k} +: {total}] = sum_{k};",
                f"  always @(posedge clk) held_{k} <= i[{held * k} +: {held}];",
                # Signs in the expression alone: a netlist's wires have none.
                f"  always @(posedge clk) sum_{k} <= {addend} + {product};",
            ]
        return "\n".join([*lines, "endmodule", ""])


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
                addend="sum of the row above" if stationary else "own sum",
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
                addend="memory",
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
        bound=_cells(measure_area(element.bound(), _BOUND, technology, recipe), element.count),
    )


def _cells(area: Area, count: int) -> Cells:
    flip_flops = sum(part.instances * part.flip_flop_um2 for part in area.parts) / count
    return Cells(flip_flops=flip_flops, logic=area.um2 / count - flip_flops)
