"""One column of the weight-stationary array: ``rows`` processing elements, one output channel."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from rtl.cell import Cell
from rtl.config import ArchConfig

__all__ = ["Column"]


class Column(Cell):
    """``rows`` PEs, each a multiply-accumulate on its own stationary weight.

    Activations pass from column to column, partial sums from row to row::

        row 0     act ─▶ × w ──▶ psum ┐          cycle t        act of row 0 arrives
        row 1     act ─▶ × w ──▶  +  ◀┘          cycle t + 1    act of row 1
         …                        │              …
        row R-1   act ─▶ × w ──▶  + ─▶ psum_o    cycle t + R    psum_o holds the dot product

    Every PE has two weights. Writes go to the shadow; ``swap`` makes it the active one, a cycle before the first
    activation that it is for. A shadow may be written in the very cycle in which it is swapped out, so a tile of
    weights can follow another without a gap.

    In the first ``taps`` rows ``own`` selects the column's own channel (``own_act``) instead of the row's activation:
    with kernel taps as weights, row r adds tap r times the input of r cycles later, which is a convolution along a
    row of one channel (a transposed FIR filter).

    Activations, weights and sums are not reset: what they start with is overwritten before it counts, and a register
    that is written under a condition alone can have its clock gated (a synchronous reset would be a second condition).

    The ports are packed vectors, row 0 lowest.

    Ports
    -----
    act_i, act_o : rows * 8
        One int8 per row, skewed by row; ``act_o`` is ``act_i`` a cycle later.
    swap_i, swap_o : rows
        Use the shadow weight from the next cycle on.
    load_i, load_o : rows
        Write ``weight`` to this row's shadow.
    own_i, own_o : taps
        Use ``own_act``. Absent when ``taps`` is 0, as ``own_act``.
    weight : 8
    own_act : 8
    psum_o : psum_bits
    """

    def __init__(self, config: ArchConfig) -> None:
        self.rows = config.dense.rows
        self.taps = config.dense.depthwise_taps
        self.psum_bits = config.psum_bits
        rows, taps = self.rows, self.taps
        ports = {
            "act_i": In(8 * rows),
            "act_o": Out(8 * rows),
            "swap_i": In(rows),
            "swap_o": Out(rows),
            "load_i": In(rows),
            "load_o": Out(rows),
            "weight": In(8),
            "psum_o": Out(signed(self.psum_bits)),
        }
        if taps:
            ports |= {"own_i": In(taps), "own_o": Out(taps), "own_act": In(8)}
        super().__init__(key=(rows, taps), signature=ports)

    def body(self) -> Module:
        m = Module()
        act_o = Signal.like(self.act_o, reset_less=True)
        m.d.comb += self.act_o.eq(act_o)
        m.d.sync += [
            act_o.eq(self.act_i),
            self.swap_o.eq(self.swap_i),
            self.load_o.eq(self.load_i),
        ]
        if self.taps:
            m.d.sync += self.own_o.eq(self.own_i)

        psum = 0
        for r in range(self.rows):
            shadow = Signal(8, name=f"shadow_{r}", reset_less=True)
            weight = Signal(signed(8), name=f"weight_{r}", reset_less=True)
            operand = Signal(signed(8), name=f"operand_{r}")
            row_psum = Signal(signed(self.psum_bits), name=f"psum_{r}", reset_less=True)
            act = self.act_i.word_select(r, 8)
            m.d.comb += operand.eq(Mux(self.own_i[r], self.own_act, act) if r < self.taps else act)
            with m.If(self.load_i[r]):
                m.d.sync += shadow.eq(self.weight)
            with m.If(self.swap_i[r]):
                m.d.sync += weight.eq(shadow)
            m.d.sync += row_psum.eq(psum + operand * weight)
            psum = row_psum
        m.d.comb += self.psum_o.eq(Cat(psum))
        return m
