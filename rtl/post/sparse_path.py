"""SPARSE_POST: sums of the sparse engine, a group of PEs per cycle, through lanes of their own to OFM."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.cell import Cell
from rtl.config import PARAM_BYTES, ArchConfig
from rtl.delay import Delay
from rtl.isa import Fault, Space, SparsePost
from rtl.isa_layout import ADDRESS_BITS, instruction_layout
from rtl.post.path import WIDE, path_ports
from rtl.post.timing import SPARSE_LANE_LATENCY
from rtl.requantise import MANTISSA_AT, OUT_AT, SHIFT_AT, SIDE_AT, Constants, Requantise, unpack
from rtl.scratchpad import READ_LATENCY
from rtl.sparse.engine import drain_layout

__all__ = ["SparseLane", "SparsePath"]

_SUMS_AT = SPARSE_LANE_LATENCY - OUT_AT
"""Cycles from a drain control to its sums; as long as their parameters take."""


class SparseLane(Cell):
    """The output stage of one sum per cycle; its channel, and so its parameters, are another one every cycle.

    Ports
    -----
    valid, residual, total, params : In
        In cycle t.
    side : In(8)
        In cycle t + SIDE_AT.
    constants : In(Constants)
    out : Out(8)
        In cycle t + OUT_AT.
    """

    def __init__(self) -> None:
        super().__init__(
            key=(),
            signature={
                "valid": In(1),
                "residual": In(1),
                "total": In(32),
                "params": In(8 * PARAM_BYTES),
                "side": In(8),
                "constants": In(Constants.as_shape().size),
                "out": Out(8),
            },
        )

    def body(self) -> Module:
        m = Module()
        m.submodules.arithmetic = arithmetic = Requantise()
        bias, mantissa, shift = unpack(self.params)
        for name, wanted_at in (("mantissa", MANTISSA_AT), ("shift", SHIFT_AT)):
            value = {"mantissa": mantissa, "shift": shift}[name]
            for k in range(wanted_at):
                later = Signal(len(value), name=f"{name}_{k + 1}")
                m.d.sync += later.eq(value)
                value = later
            m.d.comb += getattr(arithmetic, name).eq(value)
        m.d.comb += [
            arithmetic.valid.eq(self.valid),
            arithmetic.residual.eq(self.residual),
            arithmetic.total.eq(self.total),
            arithmetic.bias.eq(bias),
            arithmetic.side.eq(self.side),
            arithmetic.constants.eq(self.constants),
            self.out.eq(arithmetic.out),
        ]
        return m


class SparsePath(wiring.Component):
    """The walk of SPARSE_POST: channels, then x, then y; and its lanes.

    Ports
    -----
    those of :func:`rtl.post.path.path_ports`
    drain, sums
        To and from :class:`rtl.sparse.engine.SparseEngine`.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "drain": Out(drain_layout(config)),
                "sums": In(32 * config.sparse.lanes),
                **path_ports(config),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._post = data.View(instruction_layout(SparsePost), self.word)
        self._outside = Signal()
        self._check(m)
        self._walk(m)
        return m

    def _check(self, m: Module) -> None:
        post = self._post
        impossible = Signal()
        top = exact_log2(self.config.sparse.accumulators) + 1
        m.d.comb += impossible.eq(
            (post.out_w == 0) | (post.out_h == 0) | (post.channels == 0) | (post.skip_source > Space.OFM)
        )
        with m.If(self.step & self._outside):
            m.d.comb += self.fault.eq(Fault.SCRATCHPAD)
        with m.Elif(self.decode & post.acc[top:].any()):
            m.d.comb += self.fault.eq(Fault.SCRATCHPAD)
        with m.Elif(self.decode & impossible):
            m.d.comb += self.fault.eq(Fault.OPCODE)

    def _walk(self, m: Module) -> None:
        post, sparse = self._post, self.config.sparse
        low = exact_log2(sparse.accumulators)
        x, y, left = Signal(12), Signal(12), Signal(16)
        # Kept for the proofs in tests/formal, which look inside.
        self._loops = x, y, left
        # Of the step; of the vector; of the row of vectors.
        ofm, ofm_vector, ofm_row = (Signal(WIDE, name=name) for name in ("ofm", "ofm_vector", "ofm_row"))
        skip, skip_vector, skip_row = (Signal(WIDE, name=name) for name in ("skip", "skip_vector", "skip_row"))
        params = Signal(WIDE, name="params_address")
        place, place_vector = Signal(14, name="place"), Signal(14, name="place_v")
        group = Signal.like(self.drain.group)
        vector_end, row_end = Signal(), Signal()
        next_place = Signal(14)
        m.d.comb += [
            vector_end.eq(left <= sparse.lanes),
            row_end.eq(x == post.out_w - 1),
            self.last.eq(vector_end & row_end & (y == post.out_h - 1)),
            self.values.eq(Mux(vector_end, left, sparse.lanes)),
            next_place.eq(place_vector + post.acc_stride),
        ]
        with m.If(self.step):
            m.d.sync += [
                left.eq(left - sparse.lanes),
                params.eq(params + PARAM_BYTES * sparse.lanes),
                ofm.eq(ofm + sparse.lanes),
                skip.eq(skip + sparse.lanes),
                group.eq(group + 1),
            ]
            with m.If(group == sparse.pes // sparse.lanes - 1):
                m.d.sync += [group.eq(0), place.eq(place + 1)]
        with m.If(self.step & vector_end):
            next_ofm, next_skip = Signal(WIDE), Signal(WIDE)
            m.d.sync += [
                left.eq(post.channels), params.eq(post.params), group.eq(0), x.eq(x + 1),
                place.eq(next_place), place_vector.eq(next_place),
                ofm.eq(next_ofm), ofm_vector.eq(next_ofm), skip.eq(next_skip), skip_vector.eq(next_skip),
            ]  # fmt: skip
            with m.If(row_end):
                m.d.comb += [next_ofm.eq(ofm_row + post.y_stride), next_skip.eq(skip_row + post.skip_y_stride)]
                m.d.sync += [x.eq(0), y.eq(y + 1), ofm_row.eq(next_ofm), skip_row.eq(next_skip)]
            with m.Else():
                m.d.comb += [next_ofm.eq(ofm_vector + post.x_stride), next_skip.eq(skip_vector + post.skip_x_stride)]
        with m.If(self.start):
            m.d.sync += [
                x.eq(0), y.eq(0), left.eq(post.channels), params.eq(post.params), group.eq(0),
                place.eq(post.acc[:low]), place_vector.eq(post.acc[:low]),
                *[a.eq(post.ofm) for a in (ofm, ofm_vector, ofm_row)],
                *[a.eq(post.skip) for a in (skip, skip_vector, skip_row)],
            ]  # fmt: skip

        memories = self.config.memory
        size = memories.ofm_kib * 1024
        skip_size = Mux(post.skip_source == Space.OFM, size, memories.ifm_kib * 1024)
        m.d.comb += [
            self._outside.eq(
                (ofm + self.values > size)
                | (place >= sparse.accumulators)
                | (params + PARAM_BYTES * self.values > memories.param_kib * 1024)
                | (post.residual & (skip + self.values > skip_size))
            ),
            self.live.eq(self.step & ~self._outside & ~self.halt),
            self.drain.valid.eq(self.live),
            self.drain.half.eq(post.acc[low]),
            self.drain.address.eq(place),
            self.drain.group.eq(group),
            self.params.en.eq(self.live),
            self.params.address.eq(params),
        ]
        self._read_skip(m, skip)
        self._lanes(m, ofm)

    def _read_skip(self, m: Module, address: Signal) -> None:
        """The residual is read late, so that it meets the requantised value in the lanes."""
        post = self._post
        m.submodules.skip_delay = delay = Delay(width=ADDRESS_BITS + 1, cycles=_SUMS_AT + SIDE_AT - READ_LATENCY)
        late_ofm = Signal()
        self._skip_ofm = Signal(READ_LATENCY)
        m.d.comb += [
            delay.i_valid.eq(self.live & post.residual),
            delay.i.eq(Cat(address[:ADDRESS_BITS], post.skip_source == Space.OFM)),
            late_ofm.eq(delay.o[-1]),
            self.skip_ifm.en.eq(delay.o_valid & ~late_ofm),
            self.skip_ofm.en.eq(delay.o_valid & late_ofm),
            self.skip_ifm.address.eq(delay.o),
            self.skip_ofm.address.eq(delay.o),
        ]
        m.d.sync += self._skip_ofm.eq(Cat(late_ofm, self._skip_ofm[:-1]))

    def _lanes(self, m: Module, address: Signal) -> None:
        lanes = self.config.sparse.lanes
        valid, residual = Signal(_SUMS_AT), Signal(_SUMS_AT)
        side = Signal(8 * lanes)
        m.d.sync += [
            valid.eq(Cat(self.live, valid[:-1])),
            residual.eq(Cat(self._post.residual, residual[:-1])),
        ]
        m.d.comb += side.eq(Mux(self._skip_ofm[-1], self.skip_ofm.data, self.skip_ifm.data))
        out = []
        for k in range(lanes):
            m.submodules[f"lane_{k}"] = lane = SparseLane()
            m.d.comb += [
                lane.valid.eq(valid[-1]),
                lane.residual.eq(residual[-1]),
                lane.total.eq(self.sums.word_select(k, 32)),
                lane.params.eq(self.params.data.word_select(k, 8 * PARAM_BYTES)),
                lane.side.eq(side.word_select(k, 8)),
                lane.constants.eq(self.constants),
            ]
            out.append(lane.out)

        m.submodules.write_delay = delay = Delay(width=ADDRESS_BITS + len(self.values) + 1, cycles=SPARSE_LANE_LATENCY)
        m.d.comb += [
            delay.i_valid.eq(self.live),
            delay.i.eq(Cat(address[:ADDRESS_BITS], self.values, self.last)),
            self.written.eq(delay.o_valid & delay.o[-1]),
            self.busy.eq(delay.busy),
            self.write.en.eq(delay.o_valid),
            self.write.address.eq(delay.o[:ADDRESS_BITS]),
            self.write.count.eq(delay.o[ADDRESS_BITS:-1]),
            self.write.data.eq(Cat(out)),
        ]
