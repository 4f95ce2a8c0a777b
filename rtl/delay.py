"""A value that arrives a fixed number of cycles later."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Delay"]


class Delay(wiring.Component):
    """Hands on what it is given, ``cycles`` later.

    Only the valid bits are a shift register; the values wait in a small memory, so that nothing but a pointer toggles.

    Ports
    -----
    i_valid, i : In(1), In(width)
    o_valid, o : Out(1), Out(width)
        ``i_valid`` of ``cycles`` ago; ``o`` is meaningful while ``o_valid``.
    busy : Out(1)
        Something is on its way, ``o`` included.
    """

    def __init__(self, *, width: int, cycles: int) -> None:
        if cycles < 2:
            raise ValueError(f"cycles must be at least 2, not {cycles}")
        self.cycles = cycles
        super().__init__({"i_valid": In(1), "i": In(width), "o_valid": Out(1), "o": Out(width), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        valid = Signal(self.cycles)
        m.d.sync += valid.eq(Cat(self.i_valid, valid[:-1]))
        m.d.comb += [self.o_valid.eq(valid[-1]), self.busy.eq(valid.any())]

        m.submodules.values = values = memory.Memory(shape=len(self.i), depth=self.cycles, init=[])
        write, read = values.write_port(), values.read_port()
        here = Signal(range(self.cycles))
        after = Signal(range(self.cycles))
        m.d.comb += [
            after.eq(Mux(here == self.cycles - 1, 0, here + 1)),
            write.addr.eq(here),
            write.data.eq(self.i),
            write.en.eq(self.i_valid),
            read.addr.eq(after),
            read.en.eq(1),
            self.o.eq(read.data),
        ]
        m.d.sync += here.eq(after)
        return m
