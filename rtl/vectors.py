"""Vectors of bytes (lanes) that move in one cycle: rotating them over banks, skewing them over columns."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Deskew", "Skew", "rotate_left", "rotate_right", "skewed"]


def rotate_left(m: Module, lanes: Value, width: int, amount: Value, name: str) -> Value:
    """``lanes`` moved ``amount`` lanes of ``width`` bits up: lane i goes to lane ``(i + amount) mod n``.

    ``n`` is a power of two and ``amount`` has log2(n) bits. Combinational: log2(n) stages of multiplexers.
    """
    for bit in range(len(amount)):
        by = width << bit
        stage = Signal(len(lanes), name=f"{name}_{bit}")
        m.d.comb += stage.eq(Mux(amount[bit], Cat(lanes[-by:], lanes[:-by]), lanes))
        lanes = stage
    return lanes


def rotate_right(m: Module, lanes: Value, width: int, amount: Value, name: str) -> Value:
    """The inverse of :func:`rotate_left`: lane ``(i + amount) mod n`` goes to lane i."""
    for bit in range(len(amount)):
        by = width << bit
        stage = Signal(len(lanes), name=f"{name}_{bit}")
        m.d.comb += stage.eq(Mux(amount[bit], Cat(lanes[by:], lanes[:by]), lanes))
        lanes = stage
    return lanes


class Skew(wiring.Component):
    """Delays lane c of a vector by c cycles, so that it meets the wavefront of column c.

    Ports
    -----
    i : In(lanes * width)
    o : Out(lanes * width)
        Lane c is that of ``i`` c cycles ago.
    """

    def __init__(self, *, lanes: int, width: int) -> None:
        self.lanes = lanes
        self.width = width
        super().__init__({"i": In(lanes * width), "o": Out(lanes * width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # One register per stage, not per lane: the text grows with the number of lanes, not with its square.
        stage: Value = self.i
        out: list[Value] = []
        for lane in range(self.lanes):
            out.append(stage[: self.width])
            if lane + 1 < self.lanes:
                later = Signal(len(stage) - self.width, name=f"stage_{lane + 1}")
                m.d.sync += later.eq(stage[self.width :])
                stage = later
        m.d.comb += self.o.eq(Cat(out))
        return m


class Deskew(wiring.Component):
    """Delays lane c of a vector by ``lanes - 1 - c`` cycles: what :class:`Skew` spread is one vector again.

    Ports
    -----
    i : In(lanes * width)
    o : Out(lanes * width)
    """

    def __init__(self, *, lanes: int, width: int) -> None:
        self.lanes = lanes
        self.width = width
        super().__init__({"i": In(lanes * width), "o": Out(lanes * width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        gathered: Value = self.i[: self.width]
        for lane in range(1, self.lanes):
            stage = Signal(lane * self.width, name=f"stage_{lane}")
            m.d.sync += stage.eq(gathered)
            gathered = Cat(stage, self.i.word_select(lane, self.width))
        m.d.comb += self.o.eq(gathered)
        return m


def skewed(m: Module, name: str, vector: Value, *, lanes: int, width: int) -> Value:
    """``vector`` behind a :class:`Skew` of its own, a submodule called ``name``."""
    m.submodules[name] = skew = Skew(lanes=lanes, width=width)
    m.d.comb += skew.i.eq(vector)
    return skew.o
