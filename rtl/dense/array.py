"""The systolic array: columns of processing elements, a lane of accumulators under each, and the skew around them."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.config import ArchConfig
from rtl.dense.column import Column
from rtl.dense.lane import Constants, Lane, accumulate_layout, drain_layout
from rtl.vectors import Deskew, Skew

__all__ = ["SystolicArray"]


class SystolicArray(wiring.Component):
    """R x C processing elements and C lanes.

    Everything that enters in one cycle meets again in every column: column c lags column 0 by c cycles in
    activations, weights, control and results, and row r lags row 0 by r cycles. Callers see vectors without skew.

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
    acc : In(accumulate_layout)
        ``rows - 1`` cycles after the vector whose sum it is about. Written two cycles later in column 0.
    drain, side, constants : In
        As for :class:`rtl.dense.lane.Lane`, for column 0; ``side`` is a vector without skew.
    out : Out(cols * 8)
        ``LANE_LATENCY + cols - 1`` cycles after its ``drain``.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        rows, cols = config.dense.rows, config.dense.cols
        entries = config.memory.accumulators
        ports = {
            "act": In(8 * rows),
            "swap": In(1),
            "load": In(rows),
            "weight": In(8 * cols),
            "acc": In(accumulate_layout(entries).size),
            "drain": In(drain_layout(entries).size),
            "side": In(8 * cols),
            "constants": In(Constants),
            "out": Out(8 * cols),
        }
        if config.dense.depthwise_taps:
            ports |= {"own": In(config.dense.depthwise_taps), "own_act": In(8 * cols)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, cols, taps = self.config.dense.rows, self.config.dense.cols, self.config.dense.depthwise_taps
        act = self._skewed(m, "act_skew", self.act, rows, 8)
        swap = self._skewed(m, "swap_skew", self.swap.replicate(rows), rows, 1)
        weight = self._skewed(m, "weight_skew", self.weight, cols, 8)
        side = self._skewed(m, "side_skew", self.side, cols, 8)
        load = self.load
        acc, drain = self.acc, self.drain
        if taps:
            own = self._skewed(m, "own_skew", self.own, taps, 1)
            own_act = self._skewed(m, "own_act_skew", self.own_act, cols, 8)

        m.submodules.deskew = deskew = Deskew(lanes=cols, width=8)
        out = []
        for c in range(cols):
            m.submodules[f"column_{c}"] = column = Column(self.config)
            m.submodules[f"lane_{c}"] = lane = Lane(self.config)
            m.d.comb += [
                column.act_i.eq(act),
                column.swap_i.eq(swap),
                column.load_i.eq(load),
                column.weight.eq(weight.word_select(c, 8)),
                lane.psum.eq(column.psum_o),
                lane.acc_i.eq(acc),
                lane.drain_i.eq(drain),
                lane.side.eq(side.word_select(c, 8)),
                lane.constants.eq(self.constants),
            ]
            if taps:
                m.d.comb += [column.own_i.eq(own), column.own_act.eq(own_act.word_select(c, 8))]
                own = column.own_o
            act, swap, load = column.act_o, column.swap_o, column.load_o
            acc, drain = lane.acc_o, lane.drain_o
            out.append(lane.out)
        m.d.comb += [deskew.i.eq(Cat(out)), self.out.eq(deskew.o)]
        return m

    @staticmethod
    def _skewed(m: Module, name: str, vector: Signal, lanes: int, width: int) -> Signal:
        m.submodules[name] = skew = Skew(lanes=lanes, width=width)
        m.d.comb += skew.i.eq(vector)
        return skew.o
