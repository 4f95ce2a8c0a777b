"""The compute engine: loads weight tiles into the array and streams activations through it.

Two machines share an instruction. The *loader* walks the reduction: per tile it reads a row of weights and works out
a row's place in the activations, a row per cycle, into shadow registers. The *streamer* walks the output pixels: per
cycle it reads one vector of activations, all rows at once. While a tile streams, the next one loads. ::

    cycle      t      t+3         S=t+3+rows            S+M
    instr    ──issue
    loader            │rows of 0 │ rows of 1 │ (full)   │ rows of 2 …
    streamer                     │ M vectors of tile 0  │ M vectors of tile 1 …
    array                           └ 3 cycles later
    acc                             └ 3 + rows cycles later in column 0
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.config import ArchConfig
from rtl.delay import Delay
from rtl.dense.gather import Gather, gather_ports
from rtl.dense.lane import accumulate_layout
from rtl.engine import EVENT_BITS, EngineSignature, Retire
from rtl.isa import AccumulateOp, Compute, Engine, Fault, Opcode, Space
from rtl.isa_layout import ADDRESS_BITS, instruction_layout

__all__ = ["ComputeEngine"]

_WIDE = ADDRESS_BITS + 2
"""Address arithmetic: an in-range address plus a stride never wraps."""


class ComputeEngine(wiring.Component):
    """Runs COMPUTE. Its timing is :class:`rtl.dense.timing.ComputeTiming`.

    Ports
    -----
    engine : EngineSignature
    weight : scratchpad read port
    ifm, ofm : scratchpad gather ports
    act, own, own_act, swap, load, acc
        To :class:`rtl.dense.array.SystolicArray`, at its timing.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        rows, cols, banks = config.dense.rows, config.dense.cols, config.banks
        taps = config.dense.depthwise_taps
        ports = {
            "engine": Out(EngineSignature(Engine.COMPUTE)),
            "weight": Out(
                wiring.Signature({"en": Out(1), "address": Out(ADDRESS_BITS), "data": In(8 * banks)})
            ),
            **gather_ports(config),
            "act": Out(8 * rows),
            "swap": Out(1),
            "load": Out(rows),
            "weights": Out(8 * cols),
            "acc": Out(accumulate_layout(config.memory.accumulators).size),
        }
        if taps:
            ports |= {"own": Out(taps), "own_act": Out(8 * cols)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._declare()
        m.submodules.gather = self._gather = Gather(self.config)
        self._decode(m)
        self._load_tiles(m)
        self._stream_tiles(m)
        self._drive_array(m)
        self._finish(m)
        return m

    def _declare(self) -> None:
        """Signals between the two machines."""
        rows = self.config.dense.rows
        self._word = Signal(instruction_layout(Compute))
        self._loading = Signal()
        self._full = Signal()
        self._idle = Signal(init=1)
        self._last_row = Signal()
        self._last_tile = Signal()
        self._first_tile = Signal()
        self._start = Signal()
        self._streaming = Signal()
        self._last_vector = Signal()
        self._tile_offset = Signal(_WIDE)
        self._tile_rows = Signal(range(rows + 1))
        self._tile_macs = Signal(range(rows * self.config.dense.cols + 1))
        self._next_is_last = Signal()
        self._weight_tiles = Signal(EVENT_BITS)
        self._weight_bytes = Signal(EVENT_BITS)
        self._tiles_done = Signal(EVENT_BITS)
        self._bytes_done = Signal(EVENT_BITS)
        self._faults: list[tuple[Signal, Fault]] = []

    def _fault(self, m: Module, name: str, condition, fault: Fault) -> None:
        flag = Signal(name=f"fault_{name}")
        m.d.comb += flag.eq(condition)
        self._faults.append((flag, fault))

    def _decode(self, m: Module) -> None:
        """Take an instruction; two cycles later its registers are set up and checked."""
        e, w, dense = self.engine, self._word, self.config.dense
        self._decoding = decoding = Signal(2)
        accepted = Signal()
        m.d.comb += [
            e.instr.ready.eq(self._idle & ~e.halt),
            accepted.eq(e.instr.valid & e.instr.ready),
        ]
        m.d.sync += decoding.eq(Cat(accepted, decoding[0]))
        with m.If(accepted):
            m.d.sync += [w.eq(e.instr.payload), self._idle.eq(0)]

        zero = (w.out_w == 0) | (w.out_h == 0) | (w.run == 0) | (w.kx == 0) | (w.ky == 0) | (w.filters == 0)
        bad = zero | (w.filters > dense.cols) | (w.source > Space.OFM) | (w.op > AccumulateOp.MAX)
        own_rows = min(dense.rows, dense.cols)
        if dense.depthwise_taps:
            bad |= w.depthwise & (
                w.flatten
                | (w.run != w.filters)
                | (w.run > own_rows)
                | (w.kx > dense.depthwise_taps)
                | (w.kx_stride == 0)
                | (w.kx_stride > 15)
            )
        else:
            bad |= w.depthwise
        self._fault(m, "fields", decoding[0] & (bad | (w.opcode != Opcode.COMPUTE)), Fault.OPCODE)
        top = exact_log2(self.config.memory.accumulators) + 1
        self._fault(m, "acc_base", decoding[0] & w.acc[top:].any(), Fault.SCRATCHPAD)

    def _load_tiles(self, m: Module) -> None:
        """Walk the reduction: ``c`` within a run, then ``i`` along x, then ``j`` along y; a row per cycle."""
        w, dense = self._word, self.config.dense
        row = Signal(range(dense.rows))
        c, i, j = Signal(16, name="c"), Signal(8, name="i"), Signal(8, name="j")
        offset, x_base, y_base = Signal(_WIDE), Signal(_WIDE), Signal(_WIDE)
        address = Signal(_WIDE)
        expected = Signal(_WIDE)
        macs = Signal.like(self._tile_macs)
        end_c, end_i, end_j = Signal(), Signal(), Signal(name="end_j")
        loading = self._loading
        m.d.comb += [
            end_c.eq(w.depthwise | (c == w.run - 1)),
            end_i.eq(end_c & (i == w.kx - 1)),
            end_j.eq(end_i & (j == w.ky - 1)),
            self._last_row.eq(
                loading
                & Mux(w.depthwise, end_i, (row == dense.rows - 1) | (Mux(w.flatten, end_j, end_c)))
            ),
        ]

        with m.If(self._decoding[1]):
            m.d.sync += [
                loading.eq(1),
                self._first_tile.eq(1),
                row.eq(0), c.eq(0), i.eq(0), j.eq(0), macs.eq(0),
                offset.eq(0), x_base.eq(0), y_base.eq(0),
                address.eq(w.weight),
                self._weight_tiles.eq(0),
                self._weight_bytes.eq(0),
            ]  # fmt: skip
        with m.If(loading):
            m.d.sync += [
                row.eq(row + 1),
                macs.eq(macs + w.filters),
                address.eq(address + w.filters),
                self._weight_bytes.eq(self._weight_bytes + w.filters),
            ]
            with m.If(end_i):
                m.d.sync += [i.eq(0), j.eq(j + 1), y_base.eq(y_base + w.ky_stride)]
                m.d.sync += [x_base.eq(y_base + w.ky_stride), offset.eq(y_base + w.ky_stride), c.eq(0)]
            with m.Elif(end_c):
                m.d.sync += [i.eq(i + 1), c.eq(0)]
                with m.If(~w.depthwise):
                    m.d.sync += [x_base.eq(x_base + w.kx_stride), offset.eq(x_base + w.kx_stride)]
            with m.Else():
                m.d.sync += [c.eq(c + 1), offset.eq(offset + 1)]
            with m.If(self._last_row):
                m.d.sync += [
                    loading.eq(0),
                    self._full.eq(1),
                    row.eq(0),
                    macs.eq(0),
                    self._tile_rows.eq(Mux(w.depthwise, 0, row + 1)),
                    self._tile_macs.eq(macs + w.filters),
                    self._last_tile.eq(end_j),
                    self._weight_tiles.eq(self._weight_tiles + 1),
                ]
                with m.If(w.reuse_weights):
                    m.d.sync += address.eq(w.weight)
            with m.If(row == 0):
                m.d.sync += [self._tile_offset.eq(offset), expected.eq(offset + 1)]
            with m.Else():
                m.d.sync += expected.eq(expected + 1)

        # What the row lies beyond its place behind row 0: whole words, or two rows would share a bank.
        banks = exact_log2(self.config.banks)
        beyond = Signal(_WIDE)
        m.d.comb += [
            beyond.eq(Mux((row == 0) | w.depthwise, 0, offset - expected)),
            self._gather.write_row.eq(row),
            self._gather.write_en.eq(loading & ~w.depthwise),
            self._gather.write_words.eq(beyond[banks:]),
            self._gather.clear.eq(loading & w.depthwise),
            self.weight.en.eq(loading),
            self.weight.address.eq(address),
        ]
        size = max(self.config.memory.ifm_kib, self.config.memory.ofm_kib) * 1024
        self._fault(m, "bank", loading & beyond[:banks].any(), Fault.BANK)
        self._fault(m, "offset", loading & (offset >= size), Fault.SCRATCHPAD)
        weight_size = self.config.memory.weight_kib * 1024
        self._fault(m, "weight", loading & (address + w.filters > weight_size), Fault.SCRATCHPAD)
        loads = Signal(dense.rows)
        m.d.comb += loads.eq(Mux(loading, Const(1, dense.rows) << row, 0))
        load_1 = Signal(dense.rows)
        m.d.sync += [load_1.eq(loads), self.load.eq(load_1)]
        m.d.comb += self.weights.eq(self.weight.data[: 8 * dense.cols])

        with m.If(self._start):
            m.d.sync += [self._full.eq(0), self._first_tile.eq(0)]
            with m.If(self._next_is_last):
                m.d.sync += self._idle.eq(1)
            with m.Else():
                m.d.sync += loading.eq(1)
        m.d.comb += self._next_is_last.eq(Mux(self._full, self._last_tile, end_j))
        with m.If(self.engine.halt):
            m.d.sync += [loading.eq(0), self._full.eq(0), self._idle.eq(1), self._decoding.eq(0)]

    def _stream_tiles(self, m: Module) -> None:
        """Walk the output pixels of a tile, a vector per cycle."""
        w, e = self._word, self.engine
        s = self._stream = Signal(instruction_layout(Compute), name="stream")
        x, y, phase, tail = Signal(12), Signal(12), Signal(4), Signal(8)
        in_tail, row_end, pixel = Signal(), Signal(), Signal()
        base, row_base = Signal(_WIDE), Signal(_WIDE)
        stride, tail_length = Signal(4), Signal(8)
        streaming = self._streaming
        first_tile, last_tile = Signal(), Signal()
        first_vector, first_pixel = Signal(), Signal()
        macs, act_bytes = Signal.like(self._tile_macs), Signal(range(self.config.dense.rows + 1))

        m.d.comb += [
            self._start.eq((self._full | self._last_row) & (~streaming | self._last_vector) & ~e.halt),
            pixel.eq(streaming & ~in_tail & (phase == 0)),
            row_end.eq(Mux(in_tail, tail == 0, pixel & (x == s.out_w - 1) & (tail_length == 0))),
            self._last_vector.eq(streaming & row_end & (y == s.out_h - 1)),
        ]
        m.d.comb += [stride.eq(Mux(s.depthwise, s.kx_stride, 1)), tail_length.eq(Mux(s.depthwise, s.kx - 1, 0))]

        with m.If(streaming):
            m.d.sync += [first_vector.eq(0), base.eq(base + s.x_stride)]
            m.d.sync += phase.eq(Mux(phase == stride - 1, 0, phase + 1))
            with m.If(pixel):
                m.d.sync += [x.eq(x + 1), first_pixel.eq(0)]
                with m.If(x == s.out_w - 1):
                    m.d.sync += [in_tail.eq(1), tail.eq(tail_length - 1)]
            with m.If(in_tail):
                m.d.sync += tail.eq(tail - 1)
            with m.If(row_end):
                m.d.sync += [x.eq(0), y.eq(y + 1), phase.eq(0), in_tail.eq(0)]
                m.d.sync += [base.eq(row_base + s.y_stride), row_base.eq(row_base + s.y_stride)]
            with m.If(self._last_vector):
                m.d.sync += streaming.eq(0)
        with m.If(self._start):
            m.d.sync += [
                s.eq(w), streaming.eq(1), first_vector.eq(1), first_pixel.eq(self._first_tile),
                x.eq(0), y.eq(0), phase.eq(0), in_tail.eq(0), base.eq(w.act), row_base.eq(w.act),
                first_tile.eq(self._first_tile), last_tile.eq(self._next_is_last),
            ]  # fmt: skip
        with m.If(e.halt):
            m.d.sync += streaming.eq(0)

        self._first_vector = first_vector
        self._commit_now = Signal()
        m.d.comb += self._commit_now.eq(self._last_vector & last_tile)

        # The loader's results belong to the tile from its first vector on, when the loader may already overwrite them.
        tile_offset, tile_rows, tile_macs = Signal(_WIDE), Signal.like(self._tile_rows), Signal.like(macs)
        with m.If(first_vector):
            m.d.sync += [
                tile_offset.eq(self._tile_offset), tile_rows.eq(self._tile_rows), tile_macs.eq(self._tile_macs)
            ]  # fmt: skip
        now_offset = Mux(first_vector, self._tile_offset, tile_offset)
        now_rows = Mux(first_vector, self._tile_rows, tile_rows)
        m.d.comb += [
            macs.eq(Mux(first_vector, self._tile_macs, tile_macs)),
            act_bytes.eq(Mux(s.depthwise, s.run, now_rows)),
        ]
        g = self._gather
        m.d.comb += [
            g.valid.eq(streaming),
            g.first.eq(first_vector),
            g.address.eq(base + now_offset),
            g.rows.eq(Mux(s.depthwise, s.run, now_rows)),
            g.from_ofm.eq(s.source == Space.OFM),
        ]
        self._accumulate_address(m, pixel, first_tile, first_pixel)
        self._count(m, pixel, first_tile, macs, act_bytes)

    def _accumulate_address(self, m: Module, pixel: Signal, first_tile: Signal, first_pixel: Signal) -> None:
        s, entries = self._stream, self.config.memory.accumulators
        low = exact_log2(entries)
        place = Signal(low + 1)
        with m.If(pixel & ~s.hold):
            m.d.sync += place.eq(place + 1)
        with m.If(self._start):
            m.d.sync += place.eq(self._word.acc[:low])
        self._fault(m, "acc_end", pixel & place[low], Fault.SCRATCHPAD)
        layout = accumulate_layout(entries)
        control = Signal(layout)
        self._set = Signal()
        m.d.comb += [
            self._set.eq(first_tile & (s.op != AccumulateOp.ADD) & (first_pixel | ~s.hold)),
            control.valid.eq(pixel),
            control.half.eq(s.acc[low]),
            control.address.eq(place),
            control.set.eq(self._set),
            control.max.eq(s.op == AccumulateOp.MAX),
        ]
        m.submodules.acc_delay = delay = Delay(width=layout.size, cycles=self.config.dense.rows + 2)
        arrived = Signal(layout)
        m.d.comb += [
            delay.i_valid.eq(pixel & ~self.engine.halt),
            delay.i.eq(control),
            arrived.eq(delay.o),
            arrived.valid.eq(delay.o_valid),
            self.acc.eq(arrived),
        ]

    def _drive_array(self, m: Module) -> None:
        g, dense = self._gather, self.config.dense
        swap_1 = Signal()
        m.d.sync += [swap_1.eq(self._first_vector & self._streaming), self.swap.eq(swap_1)]
        m.d.comb += self.act.eq(g.vector[: 8 * dense.rows])
        for name in ("ifm", "ofm"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(g, name))
        if not dense.depthwise_taps:
            return
        taps = [Signal(dense.depthwise_taps, name=f"own_{k}") for k in range(3)]
        s = self._stream
        m.d.comb += taps[0].eq(Mux(self._streaming & s.depthwise, Cat(j < s.kx for j in range(len(taps[0]))), 0))
        m.d.sync += [taps[1].eq(taps[0]), taps[2].eq(taps[1]), self.own.eq(taps[2])]
        m.d.comb += self.own_act.eq(g.vector[: 8 * dense.cols])
        # Depthwise vectors reach the columns, not the rows.
        with m.If(self.own.any()):
            m.d.comb += self.act.eq(0)

    def _count(self, m: Module, pixel: Signal, first_tile: Signal, macs: Signal, act_bytes: Signal) -> None:
        s = self._stream
        fresh = Signal()
        m.d.comb += fresh.eq(self._first_vector & first_tile)
        self._events = {}
        for name, amount in (
            ("macs", Mux(pixel, macs, 0)),
            ("stream_cycles", 1),
            ("act", act_bytes),
            ("acc_reads", Mux(pixel & ~self._set, s.filters, 0)),
            ("acc_writes", Mux(pixel, s.filters, 0)),
        ):
            self._events[name] = count = Signal(EVENT_BITS, name=f"count_{name}")
            with m.If(self._streaming):
                m.d.sync += count.eq(Mux(fresh, 0, count) + amount)

    def _finish(self, m: Module) -> None:
        """Commit events after the last vector; retire when its sum is written in column 0."""
        e, s = self.engine, self._stream
        commit = e.commit
        events = commit.events
        with m.If(self._start):
            # Complete for the last tile: nothing of it is still to load.
            m.d.sync += [
                self._tiles_done.eq(self._weight_tiles + self._last_row),
                self._bytes_done.eq(self._weight_bytes + Mux(self._last_row, self._word.filters, 0)),
            ]
        committed = Signal()
        from_ofm = Signal()
        m.d.sync += [
            committed.eq(self._commit_now),
            from_ofm.eq(s.source == Space.OFM),
            commit.layer.eq(s.layer),
            events.weight_tiles.eq(self._tiles_done),
            events.weight_read_bytes.eq(self._bytes_done),
        ]
        m.d.comb += [
            commit.valid.eq(committed),
            events.macs.eq(self._events["macs"]),
            events.stream_cycles.eq(self._events["stream_cycles"]),
            events.ifm_read_bytes.eq(Mux(from_ofm, 0, self._events["act"])),
            events.ofm_read_bytes.eq(Mux(from_ofm, self._events["act"], 0)),
            events.acc_reads.eq(self._events["acc_reads"]),
            events.acc_writes.eq(self._events["acc_writes"]),
        ]
        m.submodules.retire_delay = delay = Delay(
            width=Retire.as_shape().size, cycles=self.config.dense.rows + 3
        )
        retiring = Signal(Retire)
        m.d.comb += [
            retiring.layer.eq(s.layer),
            retiring.signal.eq(s.signal),
            delay.i_valid.eq(self._commit_now & ~e.halt),
            delay.i.eq(retiring),
            e.retire.eq(delay.o),
            e.retire.valid.eq(delay.o_valid),
            e.idle.eq(self._idle & ~self._streaming & ~delay.busy & ~self._decoding.any()),
        ]
        self._faults.append((self._gather.fault, Fault.SCRATCHPAD))
        for flag, fault in self._faults:
            with m.If(flag & ~e.halt):
                m.d.comb += e.fault.eq(fault)
