"""AXI4-Lite: from the bus to single reads and writes of registers."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["OKAY", "SLVERR", "AxiLite", "AxiLiteSlave"]

OKAY = 0b00
SLVERR = 0b10


class AxiLite(wiring.Signature):
    """The five channels with 32-bit data, seen from the master. ``prot`` is there for the standard's sake."""

    def __init__(self, address_bits: int) -> None:
        super().__init__(
            {
                "awaddr": Out(address_bits),
                "awprot": Out(3),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(32),
                "wstrb": Out(4),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
                "araddr": Out(address_bits),
                "arprot": Out(3),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(32),
                "rresp": In(2),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )


class AxiLiteSlave(wiring.Component):
    r"""Answer the bus with the help of something that reads and writes words.

    A write, its address and data having come in either order or together, at its fastest; and a read:

    ::

        cycle     t     t+1   t+2                cycle     t     t+1   t+2   t+3
        awvalid ‾‾‾‾‾\____________               arvalid ‾‾‾‾‾\__________________
        wvalid  ‾‾‾‾‾\____________               read    ______/‾‾‾‾‾\___________
        write   ______/‾‾‾‾‾\_____   one cycle   data    ____________/‾‾‾‾‾\_____   sampled in t+2
        bvalid  ____________/‾‾‾‾‾               rvalid  __________________/‾‾‾‾‾

    One write every two cycles, one read every three. Reads and writes do not wait for each other.

    Parameters
    ----------
    address_bits : int

    Ports
    -----
    bus : AxiLite
    write : 1
        Write ``write_data`` to word ``write_word``, the bytes in ``write_strobe``.
    write_word, write_data, write_strobe : address_bits - 2, 32, 4
    write_error : 1
        In the cycle of ``write``: it is refused.
    read : 1
        Read word ``read_word``.
    read_word : address_bits - 2
        Stable from ``read`` until the data are sampled.
    read_data, read_error : 32, 1
        In the cycle after ``read``.

    """

    def __init__(self, address_bits: int) -> None:
        super().__init__(
            {
                "bus": In(AxiLite(address_bits)),
                "write": Out(1),
                "write_word": Out(address_bits - 2),
                "write_data": Out(32),
                "write_strobe": Out(4),
                "write_error": In(1),
                "read": Out(1),
                "read_word": Out(address_bits - 2),
                "read_data": In(32),
                "read_error": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._writes(m)
        self._reads(m)
        return m

    def _writes(self, m: Module) -> None:
        bus = self.bus
        have_address = Signal()
        have_data = Signal()
        answered = Signal()
        m.d.comb += [
            bus.awready.eq(~have_address),
            bus.wready.eq(~have_data),
            # The response register is free, or is being emptied.
            answered.eq(~bus.bvalid | bus.bready),
            self.write.eq(have_address & have_data & answered),
        ]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(self.write):
            m.d.sync += [have_address.eq(0), have_data.eq(0), bus.bvalid.eq(1)]
            m.d.sync += bus.bresp[1].eq(self.write_error)
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [have_address.eq(1), self.write_word.eq(bus.awaddr[2:])]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [have_data.eq(1), self.write_data.eq(bus.wdata), self.write_strobe.eq(bus.wstrb)]

    def _reads(self, m: Module) -> None:
        bus = self.bus
        sample = Signal()
        m.d.comb += bus.arready.eq(~self.read & ~sample & (~bus.rvalid | bus.rready))
        m.d.sync += [self.read.eq(bus.arvalid & bus.arready), sample.eq(self.read)]
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += self.read_word.eq(bus.araddr[2:])
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(sample):
            m.d.sync += [bus.rvalid.eq(1), bus.rdata.eq(self.read_data), bus.rresp[1].eq(self.read_error)]
