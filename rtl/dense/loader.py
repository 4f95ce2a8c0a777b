"""The loader: takes a COMPUTE and walks its reduction, a row of a weight tile per cycle.

It works out where each row's activations lie, into the gather's shadow, and hands over finished tiles one at a time.
While a tile streams, the loader is at the next one. ::

    cycle        t     t+3         q                      q+1
    instr      ──issue
    row                │ 0 │ 1 │ … │last row│
    tile.ready                     ‾‾‾‾‾‾‾‾‾‾ until taken
    take                           ‾‾‾‾‾‾‾‾‾‾ (earliest)
    tile.rows …                                           valid; the first row of the next tile is walked

A *short* COMPUTE of the weight-stationary array has one tile, of one run: its rows lie one behind the other, so all is
known of them with the first, and row r of the array needs its weights r cycles after row 0. Such a tile is handed over
from the cycle on in which its first row is walked; the loader goes on walking beside the stream. ::

    cycle        t     t+3 t+4       t+3+rows
    row                │ 0 │ 1 │ … │
    tile.ready         ‾‾‾‾ until taken
    instr.ready                      ‾‾‾‾‾‾‾‾
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.config import ArchConfig
from rtl.engine import EVENT_BITS, FAULT_BITS
from rtl.isa import AccumulateOp, Compute, Fault, Opcode, Space
from rtl.isa_layout import ADDRESS_BITS, WORD, instruction_layout

__all__ = ["WIDE", "Loader", "TileInfo"]

WIDE = ADDRESS_BITS + 2
"""Address arithmetic: an in-range address plus a stride never wraps."""


class TileInfo(data.StructLayout):
    """A weight tile.

    ``ready``, ``first`` and ``last`` (of the instruction) are valid at once; what follows from the cycle after ``take``
    on, for one cycle: ``rows``, its ``macs`` per vector, ``offset`` of row 0 from a pixel, ``weight`` address.
    """

    def __init__(self, config: ArchConfig) -> None:
        rows, cols = config.dense.rows, config.dense.cols
        super().__init__(
            {
                "ready": 1,
                "first": 1,
                "last": 1,
                "pass_end": 1,
                "rows": range(rows + 1),
                "macs": range(rows * cols + 1),
                "offset": WIDE,
                "weight": WIDE,
            }
        )


class Loader(wiring.Component):
    """Decodes COMPUTE and produces its weight tiles in order.

    Ports
    -----
    instr : stream of words
    halt : In(1)
    word : Out(Compute)
        The instruction; it stays until its last tile has been taken.
    decoding : Out(1)
        ``word`` was taken in the cycle before.
    tile, take : Out(TileInfo), In(1)
        ``take`` may be high only while ``tile.ready``.
    more : In(1)
        The reduction is to be walked once more after this time. Read in the cycle of ``pass_done``.
    pass_done : Out(1)
        The last row of the reduction is walked.
    row : Out({"en", "index", "address"})
        A row is walked: its index in the tile and the address of its weights.
    gather_row, gather_words, gather_write, gather_clear
        To the shadow of :class:`rtl.dense.gather.Gather`.
    idle : Out(1)
        Ready for an instruction, and not decoding one.
    weight_tiles, weight_bytes : Out(EVENT_BITS)
        Walked so far, this cycle included; complete when the last tile is taken.
    fault : Out(FAULT_BITS)
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "instr": In(stream.Signature(WORD)),
                "halt": In(1),
                "word": Out(instruction_layout(Compute)),
                "decoding": Out(1),
                "tile": Out(TileInfo(config)),
                "take": In(1),
                "more": In(1),
                "pass_done": Out(1),
                "row": Out(data.StructLayout({"en": 1, "index": range(config.dense.rows), "address": ADDRESS_BITS})),
                "gather_row": Out(range(config.dense.rows)),
                "gather_words": Out(ADDRESS_BITS),
                "gather_write": Out(1),
                "gather_clear": Out(1),
                "idle": Out(1),
                "weight_tiles": Out(EVENT_BITS),
                "weight_bytes": Out(EVENT_BITS),
                "fault": Out(FAULT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._faults: list[tuple[Signal, Fault]] = []
        self._free = Signal(init=1)
        self._loading = Signal()
        self._setup = Signal()
        self._short = Signal()
        self._decode(m)
        self._walk(m)
        for flag, fault in self._faults:
            with m.If(flag & ~self.halt):
                m.d.comb += self.fault.eq(fault)
        return m

    def _fault(self, m: Module, name: str, condition, fault: Fault) -> None:
        flag = Signal(name=f"fault_{name}")
        m.d.comb += flag.eq(condition)
        self._faults.append((flag, fault))

    def _decode(self, m: Module) -> None:
        """Take an instruction; two cycles later its registers are set up and checked."""
        w, dense = self.word, self.config.dense
        decoding = Signal(2)
        accepted = Signal()
        m.d.comb += [
            self.instr.ready.eq(self._free & ~self.halt),
            accepted.eq(self.instr.valid & self.instr.ready),
            self.decoding.eq(decoding[0]),
            self._setup.eq(decoding[1]),
            self.idle.eq(self._free & ~decoding.any()),
        ]
        m.d.sync += decoding.eq(Cat(accepted, decoding[0]))
        with m.If(accepted):
            m.d.sync += [w.eq(self.instr.payload), self._free.eq(0)]
        with m.If(self.halt):
            m.d.sync += decoding.eq(0)

        zero = (w.out_w == 0) | (w.out_h == 0) | (w.run == 0) | (w.kx == 0) | (w.ky == 0) | (w.filters == 0)
        bad = zero | (w.filters > dense.cols) | (w.source > Space.OFM) | (w.op > AccumulateOp.MAX)
        if dense.depthwise_taps:
            bad |= w.depthwise & (
                w.flatten
                | (w.run != w.filters)
                | (w.run > min(dense.rows, dense.cols))
                | (w.kx > dense.depthwise_taps)
                | (w.kx_stride == 0)
                | (w.kx_stride > 15)
            )
        else:
            bad |= w.depthwise
        streams_sums = dense.dataflow == "weight_stationary"
        bad |= w.chain & (w.depthwise | w.hold) if streams_sums else w.chain
        if streams_sums:
            with m.If(decoding[0]):
                m.d.sync += self._short.eq((w.run <= dense.rows) & (w.kx == 1) & (w.ky == 1) & ~w.depthwise)
        self._fault(m, "fields", decoding[0] & (bad | (w.opcode != Opcode.COMPUTE)), Fault.OPCODE)
        top = exact_log2(self.config.memory.accumulators) + 1
        self._fault(m, "acc_base", decoding[0] & w.acc[top:].any(), Fault.SCRATCHPAD)

    def _walk(self, m: Module) -> None:
        """``c`` within a run, then ``i`` along x, then ``j`` along y; a row per cycle."""
        w, dense, tile = self.word, self.config.dense, self.tile
        loading, full = self._loading, Signal(name="full")
        row = Signal(range(dense.rows))
        c, i, j = Signal(16, name="c"), Signal(8, name="i"), Signal(8, name="j")
        offset, x_base, y_base = Signal(WIDE), Signal(WIDE), Signal(WIDE)
        address, expected = Signal(WIDE), Signal(WIDE)
        macs = Signal.like(tile.macs)
        first, held_last, held_end = Signal(), Signal(), Signal()
        held = Signal(TileInfo(self.config))
        end_c, end_i, end_j, last_row = Signal(), Signal(), Signal(name="end_j"), Signal()
        tiles, weight_bytes = Signal(EVENT_BITS), Signal(EVENT_BITS)
        short, taken, short_macs = self._short, Signal(), Signal.like(tile.macs)
        with m.If(self._setup):
            m.d.sync += short_macs.eq(w.run[: len(row) + 1] * w.filters)
        m.d.comb += [
            end_c.eq(w.depthwise | (c == w.run - 1)),
            end_i.eq(end_c & (i == w.kx - 1)),
            end_j.eq(end_i & (j == w.ky - 1)),
            last_row.eq(loading & Mux(w.depthwise, end_i, (row == dense.rows - 1) | Mux(w.flatten, end_j, end_c))),
            self.pass_done.eq(last_row & end_j),
            tile.ready.eq(full | (Mux(short, loading, last_row) & ~taken)),
            tile.first.eq(first),
            tile.pass_end.eq(Mux(full, held_end, end_j)),
            tile.last.eq(short | Mux(full, held_last, end_j & ~self.more)),
            tile.rows.eq(held.rows),
            tile.macs.eq(held.macs),
            tile.offset.eq(held.offset),
            tile.weight.eq(held.weight),
            self.weight_tiles.eq(Mux(short, 1, tiles + last_row)),
            self.weight_bytes.eq(Mux(short, short_macs, weight_bytes + Mux(loading, w.filters, 0))),
        ]
        rewind = [
            c.eq(0), i.eq(0), j.eq(0), offset.eq(0), x_base.eq(0), y_base.eq(0), address.eq(w.weight)
        ]  # fmt: skip
        with m.If(self._setup):
            m.d.sync += [
                loading.eq(1),
                first.eq(1),
                taken.eq(0),
                row.eq(0),
                macs.eq(0),
                tiles.eq(0),
                weight_bytes.eq(0),
                *rewind,
            ]
        with m.If(loading):
            m.d.sync += [
                row.eq(row + 1),
                macs.eq(macs + w.filters),
                address.eq(address + w.filters),
                weight_bytes.eq(weight_bytes + w.filters),
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
            with m.If(row == 0):
                m.d.sync += [held.offset.eq(offset), held.weight.eq(address), expected.eq(offset + 1)]
            with m.Else():
                m.d.sync += expected.eq(expected + 1)
            with m.If(last_row):
                m.d.sync += [
                    loading.eq(0),
                    full.eq(~taken),
                    row.eq(0),
                    macs.eq(0),
                    held.rows.eq(Mux(w.depthwise, 0, row + 1)),
                    held.macs.eq(macs + w.filters),
                    held_last.eq(end_j & ~self.more),
                    held_end.eq(end_j),
                    tiles.eq(tiles + 1),
                ]
                with m.If(taken):
                    m.d.sync += self._free.eq(1)
                with m.If(w.reuse_weights):
                    m.d.sync += address.eq(w.weight)
                with m.If(end_j):
                    m.d.sync += rewind
        with m.If(short & loading & ~taken):
            m.d.sync += [held.rows.eq(w.run), held.macs.eq(short_macs)]
        with m.If(self.take):
            m.d.sync += [full.eq(0), first.eq(0)]
            with m.If(short & ~full & ~last_row):
                m.d.sync += taken.eq(1)
            with m.Elif(tile.last):
                m.d.sync += self._free.eq(1)
            with m.Else():
                m.d.sync += loading.eq(1)
        with m.If(self.halt):
            m.d.sync += [loading.eq(0), full.eq(0), self._free.eq(1)]

        # What the row lies beyond its place behind row 0: whole words, or two rows would share a bank.
        banks = exact_log2(self.config.banks)
        beyond = Signal(WIDE)
        m.d.comb += [
            beyond.eq(Mux((row == 0) | w.depthwise, 0, offset - expected)),
            self.gather_row.eq(row),
            self.gather_write.eq(loading & ~w.depthwise & ~short),
            self.gather_words.eq(beyond[banks:]),
            self.gather_clear.eq(loading & (w.depthwise | short)),
            self.row.en.eq(loading),
            self.row.index.eq(row),
            self.row.address.eq(address),
        ]
        memory = self.config.memory
        self._fault(m, "bank", loading & beyond[:banks].any(), Fault.BANK)
        self._fault(m, "offset", loading & (offset >= max(memory.ifm_kib, memory.ofm_kib) * 1024), Fault.SCRATCHPAD)
        self._fault(m, "weight", loading & (address + w.filters > memory.weight_kib * 1024), Fault.SCRATCHPAD)
