"""The output-stationary mesh: columns side by side, and the registers that turn vectors into streams."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.cell import Cell
from rtl.config import ArchConfig
from rtl.dense.output_stationary.column import Column
from rtl.vectors import skewed

__all__ = ["Mesh", "Serializer"]


class Serializer(Cell):
    """A row's feed: takes a vector, gives a byte per cycle from the next cycle on, then zeros.

    Ports
    -----
    load, vector : In(1), In(size * 8)
    out : Out(8)
    """

    def __init__(self, *, size: int) -> None:
        super().__init__(key=size, signature={"load": In(1), "vector": In(8 * size), "out": Out(8)})

    def body(self) -> Module:
        m = Module()
        left = Signal(len(self.vector))
        m.d.comb += self.out.eq(left[:8])
        m.d.sync += left.eq(left >> 8)
        with m.If(self.load):
            m.d.sync += left.eq(self.vector)
        return m


class Mesh(wiring.Component):
    """R x C processing elements: row r works on pixel r of a block, column c on filter c.

    ::

        cycle    s        s+1                s+2     s+2+n
        row      load 0   load 1 …
        vector   pixel 0  pixel 1 …
        weight            row 0 of the tile  row 1   …
        first             ‾‾‾‾‾‾‾
        psum                                         column 0, row 0, if `last` was in s+1+n

    Ports
    -----
    vector, load : In(rows * 8), In(rows)
        One-hot: the next ``rows`` elements of the reduction for that row's pixel; row r, r cycles after row 0.
    weight : In(cols * 8)
        A row of weights, a cycle after the load of row 0 that goes with its tile, and so on.
    first, last : In(1)
        With a row of weights: it is the first, or the last, of a sum. In row 0; others follow.
    psum : Out(cols * 32)
        Column c: row r's sum, ``1 + r + c`` cycles after ``last``.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        rows, cols = config.dense.rows, config.dense.cols
        super().__init__(
            {
                "vector": In(8 * rows),
                "load": In(rows),
                "weight": In(8 * cols),
                "first": In(1),
                "last": In(1),
                "psum": Out(cols * config.psum_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, cols = self.config.dense.rows, self.config.dense.cols
        acts = []
        for r in range(rows):
            m.submodules[f"serializer_{r}"] = serializer = Serializer(size=rows)
            m.d.comb += [serializer.load.eq(self.load[r]), serializer.vector.eq(self.vector)]
            acts.append(serializer.out)
        act = Signal(8 * rows)
        m.d.comb += act.eq(Cat(acts))
        weight = skewed(m, "weight_skew", self.weight, lanes=cols, width=8)
        first = skewed(m, "first_skew", self.first.replicate(rows), lanes=rows, width=1)
        last = skewed(m, "last_skew", self.last.replicate(rows), lanes=rows, width=1)
        psums = []
        for c in range(cols):
            m.submodules[f"column_{c}"] = column = Column(self.config)
            m.d.comb += [
                column.act_i.eq(act),
                column.first_i.eq(first),
                column.last_i.eq(last),
                column.weight.eq(weight.word_select(c, 8)),
            ]
            act, first, last = column.act_o, column.first_o, column.last_o
            psums.append(column.psum_o)
        m.d.comb += self.psum.eq(Cat(psums))
        return m
