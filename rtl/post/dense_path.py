"""POST: finished accumulators, a pixel of all columns per cycle, through the lanes of the dense engine to OFM."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.config import PARAM_BYTES, ArchConfig
from rtl.delay import Delay
from rtl.dense.lane import drain_layout
from rtl.isa import Fault, Post, Space
from rtl.isa_layout import ADDRESS_BITS, instruction_layout
from rtl.post.path import WIDE, path_ports
from rtl.post.timing import LANE_LATENCY
from rtl.scratchpad import READ_LATENCY

__all__ = ["DensePath"]

_SKIP_AT = LANE_LATENCY - 2
"""Cycles from a drain control to its residual byte."""


class DensePath(wiring.Component):
    """The walk of POST, and the skew that its bytes come back with.

    Ports
    -----
    those of :func:`rtl.post.path.path_ports`
    loading, loaded : In(1), Out(1)
        Read parameters, a byte of every channel per cycle; the last ones are being read.
    drain, side, out
        To and from :class:`rtl.dense.lanes.Lanes`.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        cols = config.dense.cols
        super().__init__(
            {
                "loading": In(1),
                "loaded": Out(1),
                "drain": Out(drain_layout(config.memory.accumulators).size),
                "side": Out(8 * cols),
                "out": In(8 * cols),
                **path_ports(config),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._post = data.View(instruction_layout(Post), self.word)
        self._outside_params = Signal()
        self._check(m)
        self._load_params(m)
        self._walk(m)
        return m

    def _check(self, m: Module) -> None:
        post = self._post
        impossible = Signal()
        top = exact_log2(self.config.memory.accumulators) + 1
        m.d.comb += impossible.eq(
            (post.out_w == 0)
            | (post.out_h == 0)
            | (post.filters == 0)
            | (post.filters > self.config.dense.cols)
            | (post.skip_source > Space.OFM)
        )
        self._outside = Signal()
        with m.If(self.step & self._outside):
            m.d.comb += self.fault.eq(Fault.SCRATCHPAD)
        with m.Elif(self.loading & self._outside_params):
            m.d.comb += self.fault.eq(Fault.SCRATCHPAD)
        with m.Elif(self.decode & post.acc[top:].any()):
            m.d.comb += self.fault.eq(Fault.SCRATCHPAD)
        with m.Elif(self.decode & impossible):
            m.d.comb += self.fault.eq(Fault.OPCODE)

    def _load_params(self, m: Module) -> None:
        """A byte of every channel per cycle, over the side bus."""
        post = self._post
        index = Signal(range(PARAM_BYTES))
        address = Signal(WIDE)
        size = self.config.memory.param_kib * 1024
        m.d.comb += [
            self.loaded.eq(index == PARAM_BYTES - 1),
            self.params.en.eq(self.loading),
            self.params.address.eq(address),
            self._outside_params.eq(address + post.filters > size),
        ]
        with m.If(self.start):
            m.d.sync += [index.eq(0), address.eq(post.params)]
        with m.If(self.loading):
            m.d.sync += [index.eq(index + 1), address.eq(address + post.filters)]

        self._param = Signal(READ_LATENCY)
        indices = [index]
        for k in range(READ_LATENCY):
            indices.append(Signal.like(index, name=f"index_{k + 1}"))
            m.d.sync += indices[-1].eq(indices[-2])
        self._param_index = indices[-1]
        m.d.sync += self._param.eq(Cat(self.loading, self._param[:-1]))

    def _walk(self, m: Module) -> None:
        post, config = self._post, self.config
        low = exact_log2(config.memory.accumulators)
        x, y = Signal(12), Signal(12)
        place = Signal(low + 1)
        ofm, ofm_row = Signal(WIDE, name="ofm"), Signal(WIDE)
        skip, skip_row = Signal(WIDE), Signal(WIDE)
        row_end = Signal()
        m.d.comb += [
            row_end.eq(x == post.out_w - 1),
            self.last.eq(row_end & (y == post.out_h - 1)),
            self.values.eq(post.filters),
        ]
        with m.If(self.start):
            m.d.sync += [
                x.eq(0), y.eq(0), place.eq(post.acc[:low]),
                ofm.eq(post.ofm), ofm_row.eq(post.ofm), skip.eq(post.skip), skip_row.eq(post.skip),
            ]  # fmt: skip
        with m.If(self.step):
            m.d.sync += [
                x.eq(x + 1),
                place.eq(place + 1),
                ofm.eq(ofm + post.x_stride),
                skip.eq(skip + post.skip_x_stride),
            ]
            with m.If(row_end):
                m.d.sync += [
                    x.eq(0),
                    y.eq(y + 1),
                    ofm.eq(ofm_row + post.y_stride),
                    ofm_row.eq(ofm_row + post.y_stride),
                    skip.eq(skip_row + post.skip_y_stride),
                    skip_row.eq(skip_row + post.skip_y_stride),
                ]

        size = config.memory.ofm_kib * 1024
        skip_size = Mux(post.skip_source == Space.OFM, size, config.memory.ifm_kib * 1024)
        m.d.comb += [
            self._outside.eq(
                (ofm + post.filters > size) | place[low] | (post.residual & (skip + post.filters > skip_size))
            ),
            self.live.eq(self.step & ~self._outside & ~self.halt),
        ]
        drain = Signal(drain_layout(config.memory.accumulators))
        m.d.comb += [
            drain.valid.eq(self.live),
            drain.half.eq(post.acc[low]),
            drain.address.eq(place),
            drain.residual.eq(post.residual),
            drain.param.eq(self._param[-1]),
            drain.index.eq(self._param_index),
            self.drain.eq(drain),
        ]
        self._read_skip(m, skip)
        self._write(m, ofm)

    def _read_skip(self, m: Module, address: Signal) -> None:
        """The residual is read late, so that it meets the requantised value in the lanes."""
        post, cols = self._post, self.config.dense.cols
        m.submodules.skip_delay = delay = Delay(width=ADDRESS_BITS + 1, cycles=_SKIP_AT - READ_LATENCY)
        late_ofm = Signal()
        ofm_1, ofm_2 = Signal(name="ofm_1"), Signal(name="ofm_2")
        m.d.comb += [
            delay.i_valid.eq(self.live & post.residual),
            delay.i.eq(Cat(address[:ADDRESS_BITS], post.skip_source == Space.OFM)),
            late_ofm.eq(delay.o[-1]),
            self.skip_ifm.en.eq(delay.o_valid & ~late_ofm),
            self.skip_ofm.en.eq(delay.o_valid & late_ofm),
            self.skip_ifm.address.eq(delay.o),
            self.skip_ofm.address.eq(delay.o),
        ]
        m.d.sync += [ofm_1.eq(late_ofm), ofm_2.eq(ofm_1)]
        with m.If(self._param[-1]):
            m.d.comb += self.side.eq(self.params.data[: 8 * cols])
        with m.Else():
            m.d.comb += self.side.eq(Mux(ofm_2, self.skip_ofm.data, self.skip_ifm.data)[: 8 * cols])

    def _write(self, m: Module, address: Signal) -> None:
        bits = len(self.values)
        m.submodules.write_delay = delay = Delay(
            width=ADDRESS_BITS + bits + 1, cycles=LANE_LATENCY + self.config.dense.cols - 1
        )
        m.d.comb += [
            delay.i_valid.eq(self.live),
            delay.i.eq(Cat(address[:ADDRESS_BITS], self.values, self.last)),
            self.written.eq(delay.o_valid & delay.o[-1]),
            self.busy.eq(delay.busy),
            self.write.en.eq(delay.o_valid),
            self.write.address.eq(delay.o[:ADDRESS_BITS]),
            self.write.count.eq(delay.o[ADDRESS_BITS:-1]),
            self.write.data.eq(self.out),
        ]
