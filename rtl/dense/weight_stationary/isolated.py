"""A column with operand isolation, in no accelerator: :mod:`hwsim.silicon.characterisation.isolation` measures it.

Networks with ReLU have a zero point of -128, so their zeros are bytes of 0x80, whose product is the weight
times -128: wires. A flag goes with each activation. Where it is set the activation's register keeps what it had:
neither it, nor its clock, nor the multiplier moves, and the sum takes ``-(weight << 7)`` for the product. Sums are
those of ``Column``, bit by bit and cycle by cycle.
"""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.config import ArchConfig

__all__ = ["IsolatedColumn"]


class IsolatedColumn(wiring.Component):
    """The column with operand isolation. Ports are those of ``Column``, and ``zero_i``, ``zero_o``: a flag per row."""

    def __init__(self, config: ArchConfig) -> None:
        self.rows = config.dense.rows
        self.taps = config.dense.depthwise_taps
        self.psum_bits = config.psum_bits
        lanes = {"act": 8 * self.rows, "zero": self.rows, "swap": self.rows, "load": self.rows}
        if self.taps:
            lanes["own"] = self.taps
        ports = {f"{name}_i": In(width) for name, width in lanes.items()}
        ports |= {f"{name}_o": Out(width) for name, width in lanes.items()}
        ports |= {"weight": In(8), "psum_o": Out(signed(self.psum_bits))}
        if self.taps:
            ports["own_act"] = In(8)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in ("zero", "swap", "load", *(["own"] if self.taps else [])):
            m.d.sync += getattr(self, f"{name}_o").eq(getattr(self, f"{name}_i"))
        psum: Value | int = 0
        kept = []
        for row in range(self.rows):
            act_o = Signal(8, name=f"act_{row}", reset_less=True)
            with m.If(~self.zero_i[row]):
                m.d.sync += act_o.eq(self.act_i.word_select(row, 8))
            kept.append(act_o)
            psum = self._row(m, row, psum)
        m.d.comb += [self.act_o.eq(Cat(kept)), self.psum_o.eq(Cat(psum))]
        return m

    def _row(self, m: Module, row: int, psum: Value | int) -> Signal:
        shadow = Signal(8, name=f"shadow_{row}", reset_less=True)
        weight = Signal(signed(8), name=f"weight_{row}", reset_less=True)
        with m.If(self.load_i[row]):
            m.d.sync += shadow.eq(self.weight)
        with m.If(self.swap_i[row]):
            m.d.sync += weight.eq(shadow)
        own = self.own_i[row] if row < self.taps else 0
        operand = Signal(signed(8), name=f"operand_{row}")
        product = Signal(signed(16), name=f"product_{row}")
        of_zero = Signal(signed(16), name=f"of_zero_{row}")
        total = Signal(signed(self.psum_bits), name=f"psum_{row}", reset_less=True)
        act = self.act_i.word_select(row, 8)
        m.d.comb += [
            operand.eq(Mux(own, self.own_act, act) if row < self.taps else act),
            product.eq(operand * weight),
            of_zero.eq(-(weight << 7)),
        ]
        m.d.sync += total.eq(psum + Mux(self.zero_i[row] & ~own, of_zero, product))
        return total
