"""A lane of accumulators and output arithmetic under every column, and the skew around them."""

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.config import ArchConfig
from rtl.dense.lane import Lane, accumulate_layout, drain_layout
from rtl.requantise import Constants
from rtl.vectors import Deskew, skewed

__all__ = ["Lanes"]


class Lanes(wiring.Component):
    """C lanes, each a cycle behind the one before it, as the columns above them are.

    Ports
    -----
    psum : In(cols * psum_bits)
        From the mesh.
    acc : In(accumulate_layout)
        For column 0, a cycle before its partial sum arrives; written in the cycle of the partial sum.
    drain, side, constants : In
        As for :class:`rtl.dense.lane.Lane`, for column 0; ``side`` is a vector without skew.
    out : Out(cols * 8)
        ``LANE_LATENCY + cols - 1`` cycles after its ``drain``.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        cols, entries = config.dense.cols, config.memory.accumulators
        super().__init__(
            {
                "psum": In(cols * config.psum_bits),
                "acc": In(accumulate_layout(entries).size),
                "drain": In(drain_layout(entries).size),
                "side": In(8 * cols),
                "constants": In(Constants),
                "out": Out(8 * cols),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cols = self.config.dense.cols
        side = skewed(m, "side_skew", self.side, lanes=cols, width=8)
        m.submodules.deskew = deskew = Deskew(lanes=cols, width=8)
        acc, drain = self.acc, self.drain
        out = []
        for c in range(cols):
            m.submodules[f"lane_{c}"] = lane = Lane(self.config)
            m.d.comb += [
                lane.psum.eq(self.psum.word_select(c, self.config.psum_bits)),
                lane.acc_i.eq(acc),
                lane.drain_i.eq(drain),
                lane.side.eq(side.word_select(c, 8)),
                lane.constants.eq(self.constants),
            ]
            acc, drain = lane.acc_o, lane.drain_o
            out.append(lane.out)
        m.d.comb += [deskew.i.eq(Cat(out)), self.out.eq(deskew.o)]
        return m
