"""The weight-stationary compute engine: streams all pixels of a tile past each weight tile.

::

    cycle      t      t+3         S=t+3+rows            S+M
    instr    ──issue
    loader            │rows of 0 │ rows of 1 │ (full)   │ rows of 2 …
    streamer                     │ M vectors of tile 0  │ M vectors of tile 1 …
    mesh                            └ 3 cycles later
    acc                             └ 3 + rows cycles later in column 0

The tile of a short COMPUTE (see :mod:`rtl.dense.loader`) streams from t + 4 on, each row of the array a cycle behind
the arrival of its weights.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import connect
from amaranth.utils import exact_log2

from rtl.config import ArchConfig
from rtl.delay import Delay
from rtl.dense.events import EventCounts
from rtl.dense.gather import Gather
from rtl.dense.lane import accumulate_layout
from rtl.dense.loader import WIDE, Loader
from rtl.dense.ports import compute_ports
from rtl.dense.timing import GATHER_LATENCY
from rtl.dense.weight_stationary.mesh import Mesh
from rtl.engine import Retire
from rtl.isa import AccumulateOp, Compute, Engine, Fault, Space
from rtl.isa_layout import instruction_layout
from rtl.scratchpad import READ_LATENCY

__all__ = ["WeightStationaryEngine"]


class WeightStationaryEngine(wiring.Component):
    """Runs COMPUTE, as :class:`rtl.dense.timing.WeightStationaryTiming` says; ports as in :func:`compute_ports`."""

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(compute_ports(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = self._loader = loader = Loader(self.config)
        m.submodules.gather = self._gather = gather = Gather(self.config)
        m.submodules.mesh = self._mesh = Mesh(self.config)
        m.submodules.events = self._events = EventCounts()
        e = self.engine
        connect(m, wiring.flipped(e).instr, loader.instr)
        for name in ("ifm", "ofm"):
            connect(m, wiring.flipped(getattr(self, name)), getattr(gather, name))
        m.d.comb += [
            loader.halt.eq(e.halt),
            loader.more.eq(0),
            gather.write_row.eq(loader.gather_row),
            gather.write_words.eq(loader.gather_words),
            gather.write_en.eq(loader.gather_write),
            gather.clear.eq(loader.gather_clear),
            self.psum.eq(self._mesh.psum),
        ]
        self._load_weights(m)
        self._stream(m)
        return m

    def _load_weights(self, m: Module) -> None:
        """A row per cycle into the shadow weights."""
        row, rows = self._loader.row, self.config.dense.rows
        m.d.comb += [self.weight.en.eq(row.en), self.weight.address.eq(row.address)]
        load = [Mux(row.en, Const(1, rows) << row.index, 0)]
        for k in range(READ_LATENCY):
            load.append(Signal(rows, name=f"load_{k + 1}"))
            m.d.sync += load[-1].eq(load[-2])
        m.d.comb += [self._mesh.load.eq(load[-1]), self._mesh.weight.eq(self.weight.data)]

    def _stream(self, m: Module) -> None:
        """Walk the output pixels of a tile, a vector per cycle."""
        e, loader = self.engine, self._loader
        word, tile = loader.word, loader.tile
        s = Signal(instruction_layout(Compute), name="stream")
        x, y, phase, tail = Signal(12), Signal(12), Signal(4), Signal(8)
        in_tail, row_end, pixel, streaming, last_vector = Signal(), Signal(), Signal(), Signal(), Signal()
        base, row_base = Signal(WIDE), Signal(WIDE)
        # Kept for the proofs in tests/formal, which look inside.
        self._walk = base, row_end
        stride, tail_length = Signal(4), Signal(8)
        first_tile, last_tile, first_vector, first_pixel = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            loader.take.eq(tile.ready & (~streaming | last_vector) & ~e.halt),
            pixel.eq(streaming & ~in_tail & (phase == 0)),
            row_end.eq(Mux(in_tail, tail == 0, pixel & (x == s.out_w - 1) & (tail_length == 0))),
            last_vector.eq(streaming & row_end & (y == s.out_h - 1)),
            stride.eq(Mux(s.depthwise, s.kx_stride, 1)),
            tail_length.eq(Mux(s.depthwise, s.kx - 1, 0)),
        ]
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
            with m.If(last_vector):
                m.d.sync += streaming.eq(0)
        with m.If(loader.take):
            m.d.sync += [
                s.eq(word), streaming.eq(1), first_vector.eq(1), first_pixel.eq(tile.first),
                x.eq(0), y.eq(0), phase.eq(0), in_tail.eq(0), base.eq(word.act), row_base.eq(word.act),
                first_tile.eq(tile.first), last_tile.eq(tile.last),
            ]  # fmt: skip
        with m.If(e.halt):
            m.d.sync += streaming.eq(0)

        # What the loader says of a tile is overwritten by the next one from the second vector on.
        held_offset, held_rows, held_macs = Signal(WIDE), Signal.like(tile.rows), Signal.like(tile.macs)
        with m.If(first_vector):
            m.d.sync += [held_offset.eq(tile.offset), held_rows.eq(tile.rows), held_macs.eq(tile.macs)]
        rows, macs = Signal.like(tile.rows), Signal.like(tile.macs)
        g = self._gather
        m.d.comb += [
            rows.eq(Mux(s.depthwise, s.run, Mux(first_vector, tile.rows, held_rows))),
            macs.eq(Mux(first_vector, tile.macs, held_macs)),
            g.valid.eq(streaming),
            g.first.eq(first_vector),
            g.address.eq(base + Mux(first_vector, tile.offset, held_offset)),
            g.rows.eq(rows),
            g.from_ofm.eq(s.source == Space.OFM),
        ]

        overwrite = Signal()
        m.d.comb += overwrite.eq(first_tile & (s.op != AccumulateOp.ADD) & (first_pixel | ~s.hold))
        self._drive_mesh(m, s, streaming, first_vector)
        outside = self._accumulate(m, s, pixel, overwrite)
        done = Signal()
        m.d.comb += done.eq(last_vector & last_tile)
        ev = self._events
        m.d.comb += [
            ev.en.eq(streaming),
            ev.fresh.eq(first_vector & first_tile),
            ev.done.eq(done),
            ev.layer.eq(s.layer),
            ev.from_ofm.eq(s.source == Space.OFM),
            ev.macs.eq(Mux(pixel, macs, 0)),
            ev.acts.eq(rows),
            ev.acc_writes.eq(Mux(pixel, s.filters, 0)),
            ev.acc_reads.eq(Mux(pixel & ~overwrite, s.filters, 0)),
            ev.tiles_valid.eq(loader.take),
            ev.weight_tiles.eq(loader.weight_tiles),
            ev.weight_bytes.eq(loader.weight_bytes),
            e.commit.eq(ev.commit),
        ]
        self._retire(m, s, done, streaming, outside)
        self._chain(m, streaming & first_vector & last_tile & s.chain)

    def _drive_mesh(self, m: Module, s: Signal, streaming: Signal, first_vector: Signal) -> None:
        g, mesh, taps = self._gather, self._mesh, self.config.dense.depthwise_taps
        swap = [first_vector]
        for k in range(GATHER_LATENCY - 1):
            swap.append(Signal(name=f"swap_{k + 1}"))
            m.d.sync += swap[-1].eq(swap[-2])
        m.d.comb += [mesh.swap.eq(swap[-1]), mesh.act.eq(g.vector)]
        if not taps:
            return
        own = [Signal(taps, name="own_0")]
        m.d.comb += own[0].eq(Mux(streaming & s.depthwise, Cat(j < s.kx for j in range(taps)), 0))
        for k in range(GATHER_LATENCY):
            own.append(Signal(taps, name=f"own_{k + 1}"))
            m.d.sync += own[-1].eq(own[-2])
        m.d.comb += [mesh.own.eq(own[-1]), mesh.own_act.eq(g.vector)]
        # Depthwise vectors reach the columns, not the rows.
        with m.If(own[-1].any()):
            m.d.comb += mesh.act.eq(0)

    def _accumulate(self, m: Module, s: Signal, pixel: Signal, overwrite: Signal) -> Signal:
        """Tell the lanes what to do with each sum. Returns whether a sum has no place."""
        entries = self.config.memory.accumulators
        low = exact_log2(entries)
        place = Signal(low + 1)
        with m.If(pixel & ~s.hold):
            m.d.sync += place.eq(place + 1)
        with m.If(self._loader.take):
            m.d.sync += place.eq(self._loader.word.acc[:low])
        layout = accumulate_layout(entries)
        control, arrived = Signal(layout), Signal(layout)
        m.submodules.acc_delay = delay = self._sums = Delay(
            width=layout.size, cycles=GATHER_LATENCY + self.config.dense.rows - 1
        )
        m.d.comb += [
            control.valid.eq(pixel),
            control.half.eq(s.acc[low]),
            control.address.eq(place),
            control.set.eq(overwrite),
            control.max.eq(s.op == AccumulateOp.MAX),
            delay.i_valid.eq(pixel & ~self.engine.halt),
            delay.i.eq(control),
            arrived.eq(delay.o),
            arrived.valid.eq(delay.o_valid),
            self.acc.eq(arrived),
        ]
        outside = Signal()
        m.d.comb += outside.eq(pixel & place[low])
        return outside

    def _retire(self, m: Module, s: Signal, done: Signal, streaming: Signal, outside: Signal) -> None:
        """Retire when the last sum is written in column 0."""
        e, loader = self.engine, self._loader
        m.submodules.retire_delay = delay = Delay(
            width=Retire.as_shape().size, cycles=GATHER_LATENCY + self.config.dense.rows
        )
        retiring = Signal(Retire)
        m.d.comb += [
            retiring.layer.eq(s.layer),
            retiring.signal.eq(s.signal & ~(s.chain << Engine.POST)),
            delay.i_valid.eq(done & ~e.halt),
            delay.i.eq(retiring),
            e.retire.eq(delay.o),
            e.retire.valid.eq(delay.o_valid),
            e.idle.eq(loader.idle & ~streaming & ~delay.busy),
            e.fault.eq(loader.fault),
        ]
        with m.If((self._gather.fault | outside) & ~e.halt):
            m.d.comb += e.fault.eq(Fault.SCRATCHPAD)

    def _chain(self, m: Module, begins: Value) -> None:
        """Give POST its token when the first sum of a chained instruction is written in column 0."""
        e = self.engine
        first = Signal(GATHER_LATENCY + self.config.dense.rows, name="first_sum")
        m.d.sync += first.eq(Cat(begins & ~e.halt, first[:-1]))
        m.d.comb += e.early.eq(first[-1] << Engine.POST)
