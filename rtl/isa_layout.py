"""The instruction set as Amaranth layouts, derived from :mod:`rtl.isa`."""

import functools

from amaranth import Shape, unsigned
from amaranth.lib import data

from rtl.isa import INSTRUCTION_BITS, Engine, Instruction, layout_of

__all__ = ["ADDRESS_BITS", "HEADER", "TOKENS", "WORD", "instruction_layout"]

WORD = unsigned(INSTRUCTION_BITS)
"""An instruction that has not been decoded."""

ADDRESS_BITS = 24
"""Width of a byte address in a scratchpad, as the instructions have it."""

TOKENS = unsigned(len(Engine))
"""A set of engines, one bit each."""


@functools.cache
def instruction_layout(kind: type[Instruction]) -> data.Layout:
    """The 256-bit layout of a format: ``data.View(instruction_layout(Load), word).rows``."""
    return data.FlexibleLayout(
        INSTRUCTION_BITS,
        {f.name: data.Field(Shape(f.width, f.signed), f.offset) for f in layout_of(kind)},
    )


HEADER = instruction_layout(Instruction)
"""Opcode, layer, wait and signal: the same in every format."""
