"""What there is on the chip to be clocked, to leak and to take area: memories and flip-flops, by configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["LANE_STATE_BITS", "Memory", "array_bits", "flip_flops", "memories", "multipliers"]

LANE_STATE_BITS = 396
"""Flip-flops of a lane: the output stage's pipeline and a channel's parameters. As counted in the netlist."""

_REST_BITS = 4305
_REST_BITS_PER_LINE = 559
"""Flip-flops outside columns and lanes: control, DMA, skew. The line through the netlists of dense-8x8 and -16x16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """``banks`` equal memories, side by side."""

    name: str
    banks: int
    bank_kib: float
    word_bits: int
    """Of one access to one bank."""
    read_ports: int
    """A macro has one; each further port is a copy, which is written, leaks and takes area as the first does."""
    shared: bool = True
    """The banks are one buffer, with the wires between them; or each is on its own."""

    @property
    def kib(self) -> float:
        """What it holds, copies apart."""
        return self.banks * self.bank_kib


def memories(config: ArchConfig) -> dict[str, Memory]:
    """Every memory of the accelerator: four scratchpads in byte-wide banks, and the lanes' accumulators."""

    def scratchpad(name: str, kib: int, read_ports: int) -> Memory:
        banks = config.banks
        return Memory(name=name, banks=banks, bank_kib=kib / banks, word_bits=8, read_ports=read_ports)

    sizes = config.memory
    found = (
        # Read by the array and by POST; by STORE as well.
        scratchpad("ifm", sizes.ifm_kib, 2),
        scratchpad("ofm", sizes.ofm_kib, 3),
        scratchpad("weight", sizes.weight_kib, 1),
        scratchpad("param", sizes.param_kib, 1),
        Memory(
            name="accumulator",
            banks=2 * config.dense.cols,
            bank_kib=sizes.accumulators * 4 / 1024,
            word_bits=32,
            read_ports=1,
            shared=False,
        ),
    )
    return {memory.name: memory for memory in found}


def array_bits(config: ArchConfig) -> int:
    """Flip-flops of all columns. A PE has an activation, its weights, a sum, and two bits of control."""
    dense = config.dense
    if dense.dataflow == "output_stationary":
        # One weight, handed on to the row below; none under the last.
        column = dense.rows * (8 + config.psum_bits + 2) + 8 * (dense.rows - 1)
    else:
        # Two weights: the one in use and its successor.
        column = dense.rows * (3 * 8 + config.psum_bits + 2) + dense.depthwise_taps
    return dense.cols * column


def flip_flops(config: ArchConfig) -> int:
    """Flip-flops of the accelerator: exact for the array, a fit for what is around it."""
    lines = max(config.dense.rows, config.dense.cols)
    return array_bits(config) + config.dense.cols * LANE_STATE_BITS + _REST_BITS + _REST_BITS_PER_LINE * lines


def multipliers(config: ArchConfig) -> list[tuple[int, int, int, int]]:
    """Every multiplier and the adder behind it: how many, bits of one operand, of the other, and of the sum."""
    rows, cols = config.dense.rows, config.dense.cols
    # A lane requantises by 24 x 24 bits, and blends a residual by two products of 8 x 17.
    return [(rows * cols, 8, 8, config.psum_bits), (cols, 24, 24, 32), (2 * cols, 8, 17, 34)]
