"""The weight-stationary mesh: columns side by side, and the skew that its wavefronts need."""

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.config import ArchConfig
from rtl.dense.weight_stationary.column import Column
from rtl.vectors import skewed

__all__ = ["Mesh"]


class Mesh(wiring.Component):
    """R x C processing elements. Column c lags column 0 by c cycles, row r lags row 0 by r cycles.

    Ports
    -----
    act : In(rows * 8)
        Activations of one vector, row 0 lowest.
    own, own_act : In(taps), In(cols * 8)
        Depthwise: in the rows of ``own``, column c takes byte c of ``own_act`` instead. Absent without taps.
    swap : In(1)
        The next cycle's vector is the first to use the weights that were loaded.
    load, weight : In(rows), In(cols * 8)
        One-hot: write byte c of ``weight`` to the shadow of row r in column c.
    psum : Out(cols * psum_bits)
        Column c: the dot product of the vector of ``rows + c`` cycles ago.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        rows, cols, taps = config.dense.rows, config.dense.cols, config.dense.depthwise_taps
        ports = {
            "act": In(8 * rows),
            "swap": In(1),
            "load": In(rows),
            "weight": In(8 * cols),
            "psum": Out(cols * config.psum_bits),
        }
        if taps:
            ports |= {"own": In(taps), "own_act": In(8 * cols)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, cols, taps = self.config.dense.rows, self.config.dense.cols, self.config.dense.depthwise_taps
        act = skewed(m, "act_skew", self.act, lanes=rows, width=8)
        swap = skewed(m, "swap_skew", self.swap.replicate(rows), lanes=rows, width=1)
        weight = skewed(m, "weight_skew", self.weight, lanes=cols, width=8)
        load = self.load
        if taps:
            own = skewed(m, "own_skew", self.own, lanes=taps, width=1)
            own_act = skewed(m, "own_act_skew", self.own_act, lanes=cols, width=8)
        psums = []
        for c in range(cols):
            m.submodules[f"column_{c}"] = column = Column(self.config)
            m.d.comb += [
                column.act_i.eq(act),
                column.swap_i.eq(swap),
                column.load_i.eq(load),
                column.weight.eq(weight.word_select(c, 8)),
            ]
            if taps:
                m.d.comb += [column.own_i.eq(own), column.own_act.eq(own_act.word_select(c, 8))]
                own = column.own_o
            act, swap, load = column.act_o, column.swap_o, column.load_o
            psums.append(column.psum_o)
        m.d.comb += self.psum.eq(Cat(psums))
        return m
