"""One column's accumulators, and the output stage behind them."""

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.cell import Cell
from rtl.config import ArchConfig
from rtl.isa import PARAM_BYTES
from rtl.requantise import Constants, Requantise, unpack

__all__ = ["Lane", "accumulate_layout", "drain_layout"]

_ACC = signed(32)


def accumulate_layout(entries: int) -> data.StructLayout:
    """What to do with the partial sum that leaves the column in the next cycle."""
    return data.StructLayout({"valid": 1, "half": 1, "address": exact_log2(entries), "set": 1, "max": 1})


def drain_layout(entries: int) -> data.StructLayout:
    """An accumulator to requantise, or (``param``) a parameter byte on the side bus."""
    return data.StructLayout(
        {"valid": 1, "half": 1, "address": exact_log2(entries), "residual": 1, "param": 1, "index": range(PARAM_BYTES)}
    )


class Lane(Cell):
    """Accumulators of one output channel, in two halves, and the arithmetic behind them.

    The array adds into one half while the other drains; both take one value per cycle. ::

        cycle     accumulate                     drain
        t         control arrives, sum is read   control arrives, sum is read
        t + 1     psum is added and written      bias is added: t of Requantise
        t + 8                                    side byte arrives
        t + 10                                   out

    Ports
    -----
    psum : In(psum_bits)
    acc_i, acc_o : accumulate_layout
        ``acc_o`` is ``acc_i`` a cycle later, for the next lane.
    drain_i, drain_o : drain_layout
    side : In(8)
        Parameter byte in the cycle of ``drain_i.param``; residual byte eight cycles after a ``drain_i.valid``.
    constants : In(Constants)
    out : Out(8)
        Ten cycles after ``drain_i.valid``.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.entries = config.memory.accumulators
        self.psum_bits = config.psum_bits
        acc, drain = accumulate_layout(self.entries), drain_layout(self.entries)
        super().__init__(
            key=(self.entries, self.psum_bits),
            signature={
                "psum": In(signed(self.psum_bits)),
                "acc_i": In(acc.size),
                "acc_o": Out(acc.size),
                "drain_i": In(drain.size),
                "drain_o": Out(drain.size),
                "side": In(8),
                "constants": In(Constants.as_shape().size),
                "out": Out(8),
            },
        )

    def body(self) -> Module:
        m = Module()
        m.d.sync += [self.acc_o.eq(self.acc_i), self.drain_o.eq(self.drain_i)]
        total = self._accumulate(m)
        self._requantise(m, total)
        return m

    def _accumulate(self, m: Module) -> Value:
        """Both halves: read-modify-write by the array, reads by the drain. Returns the sum being drained."""
        acc = data.View(accumulate_layout(self.entries), self.acc_i)
        now = data.View(accumulate_layout(self.entries), self.acc_o)
        drain = data.View(drain_layout(self.entries), self.drain_i)
        draining = data.View(drain_layout(self.entries), self.drain_o)

        old = Signal(_ACC)
        added = Signal(_ACC)
        last = Signal(_ACC)
        again = Signal()
        read: list[Value] = []
        for half in range(2):
            mem = memory.Memory(shape=_ACC, depth=self.entries, init=[])
            m.submodules[f"half_{half}"] = mem
            r, w = mem.read_port(), mem.write_port()
            mine = Signal(name=f"array_reads_{half}")
            m.d.comb += [
                mine.eq(acc.valid & ~acc.set & (acc.half == half)),
                r.addr.eq(Mux(mine, acc.address, drain.address)),
                r.en.eq(mine | (drain.valid & (drain.half == half))),
                w.addr.eq(now.address),
                w.data.eq(added),
                w.en.eq(now.valid & (now.half == half)),
            ]
            read.append(r.data)

        # The sum of the cycle before is still being written when it is read again.
        m.d.sync += again.eq(now.valid & (now.half == acc.half) & (now.address == acc.address))
        stored = Mux(now.half, read[1], read[0])
        m.d.comb += old.eq(Mux(again, last, stored))
        with m.If(now.set):
            m.d.comb += added.eq(self.psum)
        with m.Elif(now.max):
            m.d.comb += added.eq(Mux(self.psum > old, self.psum, old))
        with m.Else():
            m.d.comb += added.eq(old + self.psum)
        with m.If(now.valid):
            m.d.sync += last.eq(added)
        return Mux(draining.half, read[1], read[0])

    def _requantise(self, m: Module, total: Value) -> None:
        drain = data.View(drain_layout(self.entries), self.drain_i)
        draining = data.View(drain_layout(self.entries), self.drain_o)

        params = Signal(8 * PARAM_BYTES)
        with m.If(drain.param):
            m.d.sync += params.word_select(drain.index, 8).eq(self.side)
        bias, mantissa, shift = unpack(params)
        m.submodules.arithmetic = arithmetic = Requantise()
        m.d.comb += [
            arithmetic.valid.eq(draining.valid),
            arithmetic.residual.eq(draining.residual),
            arithmetic.total.eq(total),
            arithmetic.bias.eq(bias),
            arithmetic.mantissa.eq(mantissa),
            arithmetic.shift.eq(shift),
            arithmetic.side.eq(self.side),
            arithmetic.constants.eq(self.constants),
            self.out.eq(arithmetic.out),
        ]
