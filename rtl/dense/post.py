"""The post-processing engine: walks finished accumulators through the lanes and writes int8 pixels to OFM.

::

    cycle      t      t+3          t+11          p            p+3     p+9+cols
    instr    ──issue
    side              │parameters 0…7│
    drain                          │ one pixel per cycle │
    ready                                               └ tail ─┘‾‾‾
    ofm.write                         └ 9 + cols cycles later ──────────┘retire
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.config import ArchConfig
from rtl.delay import Delay
from rtl.dense.lane import Constants, drain_layout
from rtl.engine import EngineSignature
from rtl.isa import PARAM_BYTES, Engine, Fault, Opcode, Post, PostConfig, PostFill, Space
from rtl.isa_layout import ADDRESS_BITS, HEADER, WORD, instruction_layout
from rtl.post.timing import LANE_LATENCY, POST_TAIL
from rtl.scratchpad import READ_LATENCY, write_port

__all__ = ["PostEngine"]

_WIDE = ADDRESS_BITS + 2
_SKIP_AT = LANE_LATENCY - 2
"""Cycles from a drain control to its residual byte."""


class PostEngine(wiring.Component):
    """Runs POST, POST_CONFIG and POST_FILL. Its timing is :class:`rtl.post.timing.PostTiming`.

    Ports
    -----
    engine : EngineSignature
    params, skip_ifm, skip_ofm : scratchpad read ports
    write : scratchpad write port of OFM
    drain, side, constants, out
        To and from :class:`rtl.dense.lanes.Lanes`.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        cols, banks = config.dense.cols, config.banks
        reader = Out(wiring.Signature({"en": Out(1), "address": Out(ADDRESS_BITS), "data": In(8 * banks)}))
        super().__init__(
            {
                "engine": Out(EngineSignature(Engine.POST)),
                "params": reader,
                "skip_ifm": reader,
                "skip_ofm": reader,
                "write": Out(write_port(banks)),
                "drain": Out(drain_layout(config.memory.accumulators).size),
                "side": Out(8 * cols),
                "constants": Out(Constants),
                "out": In(8 * cols),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._word = Signal(WORD)
        self._post = data.View(instruction_layout(Post), self._word)
        self._fill = data.View(instruction_layout(PostFill), self._word)
        self._faults: list[tuple[Signal, Fault]] = []
        self._streaming = Signal()
        self._loading = Signal()
        self._filling = Signal()
        self._drained = Signal()
        self._apply = Signal()
        self._last = Signal()
        self._finished = Signal()
        self._params_done = Signal()
        self._fill_done = Signal()
        self._sequence(m)
        self._load_params(m)
        self._stream_pixels(m)
        self._fill_rows(m)
        self._finish(m)
        return m

    def _fault(self, m: Module, name: str, condition, fault: Fault) -> None:
        flag = Signal(name=f"fault_{name}")
        m.d.comb += flag.eq(condition)
        self._faults.append((flag, fault))

    def _sequence(self, m: Module) -> None:
        e, post = self.engine, self._post
        header = data.View(HEADER, self._word)
        tail = Signal(range(POST_TAIL + 1))
        decoding = Signal()
        first_decode = Signal()
        self._start = Signal()
        m.d.comb += first_decode.eq(decoding & ~self._start)

        def halting() -> None:
            with m.If(e.halt):
                m.next = "IDLE"

        with m.FSM(name="sequence") as fsm:
            with m.State("IDLE"):
                m.d.comb += e.instr.ready.eq(~e.halt)
                with m.If(e.instr.valid & ~e.halt):
                    m.d.sync += self._word.eq(e.instr.payload)
                    m.next = "DECODE"
            with m.State("DECODE"):
                m.d.comb += decoding.eq(1)
                m.next = "START"
                halting()
            with m.State("START"):
                m.d.comb += [decoding.eq(1), self._start.eq(1)]
                with m.If(header.opcode != Opcode.POST):
                    m.next = "DRAIN"
                with m.Elif(post.load_params):
                    m.next = "PARAMS"
                with m.Else():
                    m.next = "STREAM"
                halting()
            with m.State("PARAMS"):
                m.d.comb += self._loading.eq(1)
                with m.If(self._params_done):
                    m.next = "STREAM"
                halting()
            with m.State("STREAM"):
                m.d.comb += self._streaming.eq(1)
                with m.If(self._last):
                    m.d.sync += tail.eq(POST_TAIL - 1)
                    m.next = "TAIL"
                halting()
            with m.State("TAIL"):
                m.d.sync += tail.eq(tail - 1)
                with m.If(tail == 0):
                    m.next = "IDLE"
                halting()
            with m.State("DRAIN"):
                with m.If(self._drained):
                    with m.If(header.opcode == Opcode.POST_FILL):
                        m.next = "FILL"
                    with m.Else():
                        m.d.comb += [self._apply.eq(1), self._finished.eq(1)]
                        m.next = "IDLE"
                halting()
            with m.State("FILL"):
                m.d.comb += self._filling.eq(1)
                with m.If(self._fill_done):
                    m.d.comb += self._finished.eq(1)
                    m.next = "IDLE"
                halting()
        self._busy = ~fsm.ongoing("IDLE")

        known = (
            (header.opcode == Opcode.POST) | (header.opcode == Opcode.POST_CONFIG) | (header.opcode == Opcode.POST_FILL)
        )
        no_pixels = (
            (post.out_w == 0)
            | (post.out_h == 0)
            | (post.filters == 0)
            | (post.filters > self.config.dense.cols)
            | (post.skip_source > Space.OFM)
        )
        no_rows = (self._fill.rows == 0) | (self._fill.row_bytes == 0)
        bad = ~known | ((header.opcode == Opcode.POST) & no_pixels) | ((header.opcode == Opcode.POST_FILL) & no_rows)
        self._fault(m, "fields", first_decode & bad, Fault.OPCODE)
        top = exact_log2(self.config.memory.accumulators) + 1
        self._fault(
            m, "acc_base", first_decode & (header.opcode == Opcode.POST) & post.acc[top:].any(), Fault.SCRATCHPAD
        )

        new = data.View(instruction_layout(PostConfig), self._word)
        with m.If(self._apply):
            m.d.sync += [getattr(self.constants, name).eq(getattr(new, name)) for name in Constants.as_shape().members]

    def _load_params(self, m: Module) -> None:
        """A byte of every channel per cycle, over the side bus."""
        post = self._post
        index = Signal(range(PARAM_BYTES))
        address = Signal(_WIDE)
        m.d.comb += [
            self._params_done.eq(index == PARAM_BYTES - 1),
            self.params.en.eq(self._loading),
            self.params.address.eq(address),
        ]
        with m.If(self._start):
            m.d.sync += [index.eq(0), address.eq(post.params)]
        with m.If(self._loading):
            m.d.sync += [index.eq(index + 1), address.eq(address + post.filters)]
        size = self.config.memory.param_kib * 1024
        self._fault(m, "params", self._loading & (address + post.filters > size), Fault.SCRATCHPAD)

        self._param = Signal(READ_LATENCY)
        indices = [index]
        for k in range(READ_LATENCY):
            indices.append(Signal.like(index, name=f"index_{k + 1}"))
            m.d.sync += indices[-1].eq(indices[-2])
        self._param_index = indices[-1]
        m.d.sync += self._param.eq(Cat(self._loading, self._param[:-1]))

    def _stream_pixels(self, m: Module) -> None:
        post, config = self._post, self.config
        low = exact_log2(config.memory.accumulators)
        x, y = Signal(12), Signal(12)
        place = Signal(low + 1)
        ofm, ofm_row = Signal(_WIDE, name="ofm"), Signal(_WIDE)
        skip, skip_row = Signal(_WIDE), Signal(_WIDE)
        row_end = Signal()
        m.d.comb += [row_end.eq(x == post.out_w - 1), self._last.eq(row_end & (y == post.out_h - 1))]
        with m.If(self._start):
            m.d.sync += [
                x.eq(0), y.eq(0), place.eq(post.acc[:low]),
                ofm.eq(post.ofm), ofm_row.eq(post.ofm), skip.eq(post.skip), skip_row.eq(post.skip),
            ]  # fmt: skip
        with m.If(self._streaming):
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
        outside = (ofm + post.filters > size) | place[low]
        outside |= post.residual & (skip + post.filters > skip_size)
        self._fault(m, "pixel", self._streaming & outside, Fault.SCRATCHPAD)
        self._pixel = pixel = Signal()
        m.d.comb += pixel.eq(self._streaming & ~outside & ~self.engine.halt)

        drain = Signal(drain_layout(config.memory.accumulators))
        m.d.comb += [
            drain.valid.eq(pixel),
            drain.half.eq(post.acc[low]),
            drain.address.eq(place),
            drain.residual.eq(post.residual),
            drain.param.eq(self._param[-1]),
            drain.index.eq(self._param_index),
            self.drain.eq(drain),
        ]
        self._read_skip(m, pixel & post.residual, skip)
        self._write_pixels(m, pixel, ofm)

    def _read_skip(self, m: Module, valid, address: Signal) -> None:
        """The residual is read late, so that it meets the requantised value in the lanes."""
        post, cols = self._post, self.config.dense.cols
        m.submodules.skip_delay = delay = Delay(width=ADDRESS_BITS + 1, cycles=_SKIP_AT - READ_LATENCY)
        late_ofm = Signal()
        ofm_1, ofm_2 = Signal(name="ofm_1"), Signal(name="ofm_2")
        m.d.comb += [
            delay.i_valid.eq(valid),
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

    def _write_pixels(self, m: Module, pixel: Signal, address: Signal) -> None:
        count = Signal(range(self.config.banks + 1))
        m.d.comb += count.eq(self._post.filters)
        m.submodules.write_delay = delay = Delay(
            width=ADDRESS_BITS + len(count) + 1, cycles=LANE_LATENCY + self.config.dense.cols - 1
        )
        late_last = Signal()
        self._written = Signal()
        m.d.comb += [
            delay.i_valid.eq(pixel),
            delay.i.eq(Cat(address[:ADDRESS_BITS], count, self._last)),
            late_last.eq(delay.o[-1]),
            self._written.eq(delay.o_valid & late_last),
            self._drained.eq(~delay.busy),
        ]
        self._late_write = delay

    def _fill_rows(self, m: Module) -> None:
        fill, banks = self._fill, self.config.banks
        row, left = Signal(16), Signal(20)
        address, row_address = Signal(_WIDE, name="fill_address"), Signal(_WIDE)
        chunk = Signal(range(banks + 1))
        row_end = Signal(name="fill_row_end")
        m.d.comb += [
            row_end.eq(left <= banks),
            chunk.eq(Mux(row_end, left, banks)),
            self._fill_done.eq(row_end & (row == fill.rows - 1)),
        ]
        with m.If(self._start):
            m.d.sync += [row.eq(0), left.eq(fill.row_bytes), address.eq(fill.spad), row_address.eq(fill.spad)]
        with m.If(self._filling):
            m.d.sync += [left.eq(left - banks), address.eq(address + banks)]
            with m.If(row_end):
                m.d.sync += [
                    row.eq(row + 1),
                    left.eq(fill.row_bytes),
                    address.eq(row_address + fill.spad_stride),
                    row_address.eq(row_address + fill.spad_stride),
                ]
        outside = Signal()
        m.d.comb += outside.eq(address + chunk > self.config.memory.ofm_kib * 1024)
        self._fault(m, "fill", self._filling & outside, Fault.SCRATCHPAD)

        late = self._late_write
        with m.If(self._filling):
            m.d.comb += [
                self.write.en.eq(~outside & ~self.engine.halt),
                self.write.address.eq(address),
                self.write.count.eq(chunk),
                self.write.data.eq(fill.value.replicate(banks)),
            ]
        with m.Else():
            m.d.comb += [
                self.write.en.eq(late.o_valid & ~self.engine.halt),
                self.write.address.eq(late.o[:ADDRESS_BITS]),
                self.write.count.eq(late.o[ADDRESS_BITS:-1]),
                self.write.data.eq(self.out),
            ]

    def _finish(self, m: Module) -> None:
        e, post = self.engine, self._post
        header = data.View(HEADER, self._word)
        # Posts on their way through the lanes retire in order, and before anything that waits for the lanes to drain.
        m.submodules.waiting = waiting = fifo.SyncFIFOBuffered(width=len(header.layer) + len(header.signal), depth=8)
        m.d.comb += [
            waiting.w_data.eq(Cat(header.layer, header.signal)),
            waiting.w_en.eq(self._pixel & self._last),
            waiting.r_en.eq(self._written),
        ]
        ended = Signal()
        is_post = Signal()
        with m.If(self._written):
            m.d.comb += [e.retire.valid.eq(1), Cat(e.retire.layer, e.retire.signal).eq(waiting.r_data)]
        with m.Elif(ended & ~is_post):
            m.d.comb += [e.retire.valid.eq(1), e.retire.layer.eq(header.layer), e.retire.signal.eq(header.signal)]

        values = Signal(32)
        with m.If(self._start):
            m.d.sync += values.eq(0)
        with m.If(self._streaming):
            m.d.sync += values.eq(values + post.filters)
        with m.If(self._filling):
            m.d.sync += values.eq(values + self.write.count)
        m.d.sync += ended.eq((self._streaming & self._last) | self._finished)
        skipped = Signal()
        events = e.commit.events
        m.d.comb += [
            is_post.eq(header.opcode == Opcode.POST),
            skipped.eq(is_post & post.residual),
            e.commit.valid.eq(ended),
            e.commit.layer.eq(header.layer),
            events.requantized.eq(Mux(is_post, values, 0)),
            events.param_read_bytes.eq(Mux(is_post & post.load_params, PARAM_BYTES * post.filters, 0)),
            events.skip_ifm_bytes.eq(Mux(skipped & (post.skip_source == Space.IFM), values, 0)),
            events.skip_ofm_bytes.eq(Mux(skipped & (post.skip_source == Space.OFM), values, 0)),
            events.ofm_write_bytes.eq(values),
            e.idle.eq(~self._busy & self._drained & ~ended),
        ]
        for flag, fault in self._faults:
            with m.If(flag & ~e.halt):
                m.d.comb += e.fault.eq(fault)
