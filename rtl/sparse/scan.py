"""Finds the activations that are not zero, one per cycle."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from rtl.config import ArchConfig
from rtl.sparse.chunks import chunk_layout
from rtl.sparse.layout import ACTIVATION_BITS

__all__ = ["Scan", "activation_layout"]


def activation_layout(config: ArchConfig) -> data.StructLayout:
    """An activation other than zero: less its zero point; the pointer of its column; its vector's first sum."""
    sparse = config.sparse
    return data.StructLayout(
        {
            "value": signed(ACTIVATION_BITS),
            "column": ceil_log2(sparse.pointers),
            "first_sum": exact_log2(sparse.accumulators),
        }
    )


class Scan(wiring.Component):
    """Leading-non-zero detection over chunks.

    ::

        cycle       g                     g+1
        chunk       valid                           its last non-zero is taken out of it in g: chunk_take
        activation                        valid     until it is taken

    Ports
    -----
    chunk_valid, chunk, chunk_take : In(1), In(chunk_layout), Out(1)
    zero_point : In(8)
    clear : In(1)
    valid, activation, take : Out(1), Out(activation_layout), In(1)
        In a register. The next one is found in the cycle in which this one is taken.

    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "chunk_valid": In(1),
                "chunk": In(chunk_layout(config)),
                "chunk_take": Out(1),
                "zero_point": In(signed(8)),
                "clear": In(1),
                "valid": Out(1),
                "activation": Out(activation_layout(config)),
                "take": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        banks = self.config.banks
        left, gone, found = Signal(banks, name="left"), Signal(banks, name="gone"), Signal(banks, name="found")
        advance, place, byte = (
            Signal(name="advance"),
            Signal(range(banks), name="place"),
            Signal(signed(8), name="byte"),
        )
        m.d.comb += [
            left.eq(self.chunk.mask & ~gone),
            # Two's complement: the lowest bit that is set stays, all above it are inverted.
            found.eq(left & (~left + 1)[:banks]),
            advance.eq(self.chunk_valid & (~self.valid | self.take)),
            self.chunk_take.eq(advance & (left == found)),
            place.eq(Cat(_any(found[k] for k in range(banks) if k >> bit & 1) for bit in range(exact_log2(banks)))),
            byte.eq(reduce(or_, (Mux(found[k], self.chunk.bytes.word_select(k, 8), 0) for k in range(banks)))),
        ]
        with m.If(advance):
            m.d.sync += [
                gone.eq(Mux(self.chunk_take, 0, gone | found)),
                self.valid.eq(1),
                self.activation.value.eq(byte - self.zero_point),
                self.activation.column.eq(self.chunk.column + place),
                self.activation.first_sum.eq(self.chunk.first_sum),
            ]
        with m.Elif(self.take):
            m.d.sync += self.valid.eq(0)
        with m.If(self.clear):
            m.d.sync += [self.valid.eq(0), gone.eq(0)]
        return m


def _any(bits) -> Value:
    return Cat(bits).any()
