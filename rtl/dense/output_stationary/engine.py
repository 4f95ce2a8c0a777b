"""The output-stationary compute engine: a block of pixels at a time, all reduction tiles past it.

A block is as many pixels as the array has rows. For each tile of the reduction a vector is read per pixel (the tile's
elements of that pixel) and, in the same cycles, the tile's rows of weights. A tile takes ``max(pixels, rows)`` cycles,
where pixels are those of a full block of the instruction. After the last tile the sums leave, a pixel per cycle, while
the next block is under way. ::

    cycle      t      t+3         S=t+3+rows        S+d            e            e+4
    instr    ──issue
    loader            │rows of 0 │ rows of 1 │ …
    streamer                     │ tile 0     │ tile 1 … last tile │ next block
    acc                                                             pixel 0 in e+4, pixel 1 in e+5 …
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import connect
from amaranth.utils import exact_log2

from rtl.config import ArchConfig
from rtl.dense.events import EventCounts
from rtl.dense.gather import Gather
from rtl.dense.lane import accumulate_layout
from rtl.dense.loader import WIDE, Loader
from rtl.dense.output_stationary.mesh import Mesh
from rtl.dense.ports import compute_ports
from rtl.dense.timing import GATHER_LATENCY
from rtl.engine import Retire
from rtl.isa import AccumulateOp, Compute, Fault, Space
from rtl.isa_layout import instruction_layout
from rtl.scratchpad import READ_LATENCY

__all__ = ["OutputStationaryEngine"]

_FEED = GATHER_LATENCY + 1
"""Cycles from a vector's pixel address to the first byte in the mesh: the gather, and a serializer."""


class OutputStationaryEngine(wiring.Component):
    """Runs COMPUTE, as :class:`rtl.dense.timing.OutputStationaryTiming` says; ports as in :func:`compute_ports`."""

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(compute_ports(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = self._loader = loader = Loader(self.config)
        m.submodules.gather = self._gather = gather = Gather(self.config)
        m.submodules.mesh = self._mesh = Mesh(self.config)
        m.submodules.events = self._events = EventCounts()
        connect(m, wiring.flipped(self.engine).instr, loader.instr)
        for name in ("ifm", "ofm"):
            connect(m, wiring.flipped(getattr(self, name)), getattr(gather, name))
        m.d.comb += [
            loader.halt.eq(self.engine.halt),
            gather.write_row.eq(loader.gather_row),
            gather.write_words.eq(loader.gather_words),
            gather.write_en.eq(loader.gather_write),
            gather.clear.eq(loader.gather_clear),
            self.psum.eq(self._mesh.psum),
        ]
        self._count_blocks(m)
        self._stream(m)
        return m

    def _count_blocks(self, m: Module) -> None:
        """How many pixels the loader has still to walk the reduction for, and how many a full block has."""
        loader, rows = self._loader, self.config.dense.rows
        self._total = total = Signal(24)
        self._block = Signal(range(rows + 1))
        left = Signal(24)
        # Kept for the proofs in tests/formal, which look inside.
        self._to_walk = left
        m.d.comb += [loader.more.eq(left > rows), self._block.eq(Mux(total < rows, total, rows))]
        with m.If(loader.decoding):
            pixels = loader.word.out_w * loader.word.out_h
            m.d.sync += [total.eq(pixels), left.eq(pixels)]
        with m.Elif(loader.pass_done):
            m.d.sync += left.eq(left - rows)

    def _stream(self, m: Module) -> None:
        e, loader, rows = self.engine, self._loader, self.config.dense.rows
        word, tile = loader.word, loader.tile
        s = Signal(instruction_layout(Compute), name="stream")
        streaming, first_cycle, last_cycle = Signal(), Signal(), Signal()
        step = Signal(range(rows + 1))
        full, pixels, left = Signal.like(step), Signal.like(step), Signal(24, name="pixels_left")
        starts_pass, ends_pass, last_tile, first_tile = Signal(), Signal(), Signal(), Signal()

        # Where the walk over pixels is, and where the block began: each tile starts there again.
        position = data.StructLayout({"x": 12, "y": 12, "base": WIDE, "row": WIDE})
        here, after, begin = Signal(position), Signal(position), Signal(position)
        pixel = Signal()
        m.d.comb += [pixel.eq(streaming & (step < pixels)), after.eq(here)]
        with m.If(pixel):
            with m.If(here.x == s.out_w - 1):
                m.d.comb += after.eq(
                    Cat(Const(0, 12), (here.y + 1)[:12], (here.row + s.y_stride)[:WIDE], (here.row + s.y_stride)[:WIDE])
                )
            with m.Else():
                m.d.comb += after.eq(Cat((here.x + 1)[:12], here.y, (here.base + s.x_stride)[:WIDE], here.row))
        m.d.sync += here.eq(after)

        held_offset, held_rows, held_macs = Signal(WIDE), Signal.like(tile.rows), Signal.like(tile.macs)
        with m.If(first_cycle):
            m.d.sync += [held_offset.eq(tile.offset), held_rows.eq(tile.rows), held_macs.eq(tile.macs)]
        tile_rows, macs = Signal.like(tile.rows), Signal.like(tile.macs)
        m.d.comb += [
            tile_rows.eq(Mux(first_cycle, tile.rows, held_rows)),
            macs.eq(Mux(first_cycle, tile.macs, held_macs)),
            last_cycle.eq(streaming & (step + 1 >= full) & (step + 1 >= tile_rows)),
        ]

        emits = Signal()
        each_tile = Signal()
        m.d.comb += [each_tile.eq(s.op == AccumulateOp.MAX), emits.eq(last_cycle & (ends_pass | each_tile))]
        clear_to_start = self._emit(m, s, emits, pixels, starts_pass, ends_pass, last_tile & last_cycle, streaming)
        m.d.comb += loader.take.eq(tile.ready & (~streaming | last_cycle) & (~tile.first | clear_to_start) & ~e.halt)

        with m.If(streaming):
            m.d.sync += [step.eq(step + 1), first_cycle.eq(0)]
            with m.If(last_cycle):
                m.d.sync += streaming.eq(0)
        with m.If(loader.take):
            m.d.sync += [
                streaming.eq(1), step.eq(0), first_cycle.eq(1), last_tile.eq(tile.last), ends_pass.eq(tile.pass_end),
                first_tile.eq(tile.first),
            ]  # fmt: skip
            with m.If(tile.first):
                start = Cat(Const(0, 24), Cat(word.act, Const(0, WIDE))[:WIDE], Cat(word.act, Const(0, WIDE))[:WIDE])
                m.d.sync += [
                    s.eq(word), here.eq(start), begin.eq(start), starts_pass.eq(1), full.eq(self._block),
                    pixels.eq(self._block), left.eq(self._total),
                ]  # fmt: skip
            with m.Elif(ends_pass):
                rest = Signal(24)
                m.d.comb += rest.eq(left - pixels)
                m.d.sync += [
                    begin.eq(after), starts_pass.eq(1), left.eq(rest), pixels.eq(Mux(rest < rows, rest, rows))
                ]  # fmt: skip
            with m.Else():
                m.d.sync += [here.eq(begin), starts_pass.eq(0)]
        with m.If(e.halt):
            m.d.sync += streaming.eq(0)

        # Kept for the proofs in tests/formal, which look inside.
        self._tile = streaming, step, tile_rows, full, pixels, left, ends_pass
        g = self._gather
        m.d.comb += [
            g.valid.eq(pixel),
            g.first.eq(first_cycle),
            g.address.eq(here.base + Mux(first_cycle, tile.offset, held_offset)),
            g.rows.eq(tile_rows),
            g.from_ofm.eq(s.source == Space.OFM),
        ]
        starts_sum = Signal()
        m.d.comb += starts_sum.eq(first_cycle & (starts_pass | each_tile))
        self._drive_mesh(m, s, pixel, step, tile_rows, first_cycle, streaming, starts_sum, emits)
        ev = self._events
        m.d.comb += [
            ev.en.eq(streaming),
            ev.fresh.eq(first_cycle & first_tile),
            ev.done.eq(last_cycle & last_tile),
            ev.layer.eq(s.layer),
            ev.from_ofm.eq(s.source == Space.OFM),
            ev.macs.eq(Mux(pixel, macs, 0)),
            ev.acts.eq(Mux(pixel, tile_rows, 0)),
            ev.tiles_valid.eq(loader.take),
            ev.weight_tiles.eq(loader.weight_tiles),
            ev.weight_bytes.eq(loader.weight_bytes),
            e.commit.eq(ev.commit),
        ]

    def _drive_mesh(
        self, m: Module, s: Signal, pixel, step: Signal, tile_rows: Signal, first_cycle: Signal, streaming: Signal,
        first: Signal, last: Signal,
    ) -> None:  # fmt: skip
        mesh, rows = self._mesh, self.config.dense.rows
        address = Signal(WIDE)
        now = Signal(WIDE)
        m.d.comb += [
            now.eq(Mux(first_cycle, self._loader.tile.weight, address)),
            self.weight.en.eq(streaming & (step < tile_rows)),
            self.weight.address.eq(now),
            mesh.vector.eq(self._gather.vector),
        ]
        with m.If(streaming):
            m.d.sync += address.eq(now + s.filters)
        load = Signal(rows, name="load_0")
        m.d.comb += load.eq(Mux(pixel, Const(1, rows) << step, 0))
        m.d.comb += [
            mesh.load.eq(_delayed(m, load, "load", GATHER_LATENCY)),
            mesh.weight.eq(_delayed(m, self.weight.data[: len(mesh.weight)], "weight", _FEED - READ_LATENCY)),
            mesh.first.eq(_delayed(m, first, "first", _FEED)),
            mesh.last.eq(_delayed(m, last, "last", _FEED)),
        ]

    def _emit(
        self, m: Module, s: Signal, emits: Signal, pixels: Signal, starts_pass: Signal, ends_pass: Signal,
        done: Signal, streaming: Signal,
    ) -> Signal:  # fmt: skip
        """Tell the lanes where the sums of a block go, a pixel per cycle; retire after the last one.

        Returns whether an instruction may start whose blocks are smaller than those that are leaving.
        """
        e, loader = self.engine, self._loader
        entries = self.config.memory.accumulators
        low = exact_log2(entries)
        layout = accumulate_layout(entries)
        emitting, count = Signal(), Signal.like(pixels)
        control = Signal(layout)
        block_place, place = Signal(low + 1), Signal(low + 1)
        hold, ending, untouched = Signal(), Signal(), Signal()
        retire = Signal(Retire)
        # `untouched`: the accumulator of a held instruction has not been written yet.
        overwrite = Signal()
        m.d.comb += overwrite.eq((s.op != AccumulateOp.ADD) & ((s.op == AccumulateOp.SET) | starts_pass))
        with m.If(emitting):
            m.d.sync += count.eq(count - 1)
            with m.If(~hold):
                m.d.sync += place.eq(place + 1)
            with m.Else():
                m.d.sync += control.set.eq(0)
            with m.If(count == 1):
                m.d.sync += emitting.eq(0)
        with m.If(emits & ~e.halt):
            m.d.sync += [
                emitting.eq(1), count.eq(pixels), place.eq(block_place), hold.eq(s.hold), ending.eq(done),
                control.half.eq(s.acc[low]), control.max.eq(s.op == AccumulateOp.MAX),
                control.set.eq(overwrite & (untouched | ~s.hold)), untouched.eq(0),
                retire.layer.eq(s.layer), retire.signal.eq(s.signal),
            ]  # fmt: skip
        with m.If(loader.take):
            with m.If(loader.tile.first):
                m.d.sync += [block_place.eq(loader.word.acc[:low]), untouched.eq(1)]
            with m.Elif(ends_pass & ~s.hold):
                m.d.sync += block_place.eq(block_place + pixels)
        with m.If(e.halt):
            m.d.sync += emitting.eq(0)

        now = Signal(layout)
        m.d.comb += [now.eq(control), now.valid.eq(emitting), now.address.eq(place)]
        # Kept for the proofs in tests/formal, which look inside.
        self._leaving = emitting, count, block_place, now
        arrived = _delayed(m, now.as_value(), "acc", _FEED - 1)
        ended = Signal()
        m.d.comb += [ended.eq(emitting & (count == 1) & ending), self.acc.eq(arrived)]
        retiring = Signal(Retire)
        m.d.comb += [retiring.eq(retire), retiring.valid.eq(ended & ~e.halt)]
        late = [retiring]
        for k in range(_FEED):
            late.append(Signal(Retire, name=f"retire_{k + 1}"))
            m.d.sync += late[-1].eq(late[-2])
        busy = Cat(r.valid for r in late).any()
        sums = Signal(16)
        m.d.comb += [
            e.retire.eq(late[-1]),
            e.idle.eq(loader.idle & ~streaming & ~emitting & ~busy),
            e.fault.eq(loader.fault),
            sums.eq(pixels * s.filters),
            self._events.acc_writes.eq(Mux(emits, sums, 0)),
            self._events.acc_reads.eq(
                Mux(emits, Mux(overwrite, Mux(s.hold, sums - Mux(untouched, s.filters, 0), 0), sums), 0)
            ),
        ]
        outside = Signal()
        m.d.comb += outside.eq(emitting & place[low])
        with m.If((self._gather.fault | outside) & ~e.halt):
            m.d.comb += e.fault.eq(Fault.SCRATCHPAD)
        clear = Signal()
        m.d.comb += clear.eq((self._block >= pixels) | ~(emits | emitting))
        return clear


def _delayed(m: Module, value: Value, name: str, cycles: int) -> Value:
    """``value`` a few cycles later."""
    for k in range(cycles):
        later = Signal(len(value), name=f"{name}_{k + 1}")
        m.d.sync += later.eq(value)
        value = later
    return value
