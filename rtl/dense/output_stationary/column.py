"""One column of the output-stationary array: ``rows`` processing elements, one output channel of as many pixels."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from rtl.cell import Cell
from rtl.config import ArchConfig

__all__ = ["Column"]


class Column(Cell):
    """``rows`` PEs, each with a 32-bit sum of its own.

    Activations pass from column to column, weights from row to row; row r lags row 0 by r cycles. ::

        cycle      t           t+1        …    u               u+1
        row 0      first MAC   MAC             last MAC        psum_o is row 0's sum; the next first MAC
        row 1                  first MAC  …                    last MAC          (psum_o in u+2)

    One row finishes per cycle, so all share one output. As in the weight-stationary column, activations, weights and
    sums are not reset: a MAC that starts a sum overwrites what was there.

    Ports
    -----
    act_i, act_o : rows * 8
        One int8 per row; zero where a row has nothing to add. ``act_o`` is ``act_i`` a cycle later.
    first_i, first_o : rows
        This MAC starts a sum.
    last_i, last_o : rows
        This MAC ends one. At most one row per cycle.
    weight : 8
        For row 0; each row hands it on a cycle later.
    psum_o : signed(32)
        The sum that ended in the cycle before.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.rows = rows = config.dense.rows
        super().__init__(
            key=rows,
            signature={
                "act_i": In(8 * rows),
                "act_o": Out(8 * rows),
                "first_i": In(rows),
                "first_o": Out(rows),
                "last_i": In(rows),
                "last_o": Out(rows),
                "weight": In(8),
                "psum_o": Out(signed(32)),
            },
        )

    def body(self) -> Module:
        m = Module()
        act_o = Signal.like(self.act_o, reset_less=True)
        m.d.comb += self.act_o.eq(act_o)
        m.d.sync += [act_o.eq(self.act_i), self.first_o.eq(self.first_i), self.last_o.eq(self.last_i)]
        weight = Signal(signed(8), name="weight_0")
        m.d.comb += weight.eq(self.weight)
        ended = 0
        for r in range(self.rows):
            psum = Signal(signed(32), name=f"psum_{r}", reset_less=True)
            act = self.act_i.word_select(r, 8).as_signed()
            m.d.sync += psum.eq(Mux(self.first_i[r], 0, psum) + act * weight)
            # `last_o` is this row's flag a cycle later, when the sum is in its register.
            ended = ended | Mux(self.last_o[r], psum, 0)
            if r + 1 < self.rows:
                below = Signal(signed(8), name=f"weight_{r + 1}", reset_less=True)
                m.d.sync += below.eq(weight)
                weight = below
        m.d.comb += self.psum_o.eq(ended)
        return m
