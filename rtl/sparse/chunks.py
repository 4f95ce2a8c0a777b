"""Reads the vectors of a SPARSE, a chunk of a run per cycle, and keeps the chunks that are not all zeros.

::

    cycle        r                r+1            r+2               r+3
    address      gather.en
    bytes                         banks answer   in order; mask    head of the queue, unless all zeros
"""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from rtl.config import ArchConfig
from rtl.dense.gather import gather_ports
from rtl.engine import EVENT_BITS, FAULT_BITS
from rtl.isa import Fault, Opcode, Space, Sparse
from rtl.isa_layout import ADDRESS_BITS, instruction_layout
from rtl.sparse.latency import CHUNK_QUEUE
from rtl.vectors import rotate_right

__all__ = ["Chunks", "chunk_layout"]

_WIDE = ADDRESS_BITS + 2
_INDEX = 17
"""A pointer's index, and one bit to see it leave the range."""


def chunk_layout(config: ArchConfig) -> data.StructLayout:
    """A chunk that is not all zeros: bytes, which of them count, the column of byte 0, the vector's first sum."""
    return data.StructLayout(
        {
            "bytes": 8 * config.banks,
            "mask": config.banks,
            "column": _INDEX,
            "first_sum": exact_log2(config.sparse.accumulators),
        }
    )


class Chunks(wiring.Component):
    """The walk over vectors, taps and runs, the reads, and a queue of CHUNK_QUEUE chunks.

    Ports
    -----
    word : In(Sparse)
        Steady from ``start`` until ``done``.
    start : In(1)
        The first cycle of ``word``. Its fields are checked here; the first read is in the next cycle.
    clear : In(1)
        Forget everything.
    valid, chunk, take : Out(1), Out(chunk_layout), In(1)
        Head of the queue.
    done : Out(1)
        All is read, and the queue is empty. Not in the cycle of ``start``.
    scanned : Out(EVENT_BITS)
        Bytes read since ``start``.
    fault : Out(4)
        OPCODE: a field that cannot be. SCRATCHPAD: a byte, a pointer or a sum that is not there.
    ifm, ofm : scratchpad gather ports

    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "word": In(instruction_layout(Sparse)),
                "start": In(1),
                "clear": In(1),
                "valid": Out(1),
                "chunk": Out(chunk_layout(config)),
                "take": In(1),
                "done": Out(1),
                "scanned": Out(EVENT_BITS),
                "fault": Out(FAULT_BITS),
                **gather_ports(config),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._request = Signal()
        self._count = Signal(range(self.config.banks + 1))
        self._address, self._column, self._sum = Signal(_WIDE), Signal(_INDEX), Signal(14)
        walking = self._walk(m)
        flying, arrived, kept = self._read(m)
        self._queue(m, arrived, kept)
        m.d.comb += self.done.eq(~self.start & ~walking & ~flying & ~self.valid)
        self._check(m)
        return m

    def _walk(self, m: Module) -> Signal:
        """Where the next chunk lies: ``c`` within a run, then ``i``, ``j``, ``x``, ``y``."""
        w, banks = self.word, self.config.banks
        walking = Signal()
        left = Signal(16)
        i, j, x, y = Signal(8, name="i"), Signal(8, name="j"), Signal(12, name="x"), Signal(12, name="y")
        tap, tap_row, vector, vector_row = (
            Signal(_WIDE, name="tap"),
            Signal(_WIDE, name="tap_row"),
            Signal(_WIDE, name="vector"),
            Signal(_WIDE, name="vector_row"),
        )
        ends = {name: Signal(name=f"end_{name}") for name in ("run", "i", "j", "x", "y")}
        following = Signal(_WIDE)
        m.d.comb += [
            ends["run"].eq(left <= banks),
            ends["i"].eq(i == w.kx - 1),
            ends["j"].eq(j == w.ky - 1),
            ends["x"].eq(x == w.out_w - 1),
            ends["y"].eq(y == w.out_h - 1),
            self._count.eq(Mux(ends["run"], left, banks)),
        ]
        with m.If(self._request):
            m.d.sync += [
                left.eq(left - banks),
                self._address.eq(self._address + banks),
                self._column.eq(self._column + self._count),
                self.scanned.eq(self.scanned + self._count),
            ]
        with m.If(self._request & ends["run"]):
            m.d.sync += [left.eq(w.run), i.eq(i + 1), tap.eq(following), self._address.eq(following)]
            with m.If(~ends["i"]):
                m.d.comb += following.eq(tap + w.kx_stride)
            with m.Elif(~ends["j"]):
                m.d.comb += following.eq(tap_row + w.ky_stride)
                m.d.sync += [i.eq(0), j.eq(j + 1), tap_row.eq(following)]
            with m.Else():
                m.d.sync += [
                    i.eq(0), j.eq(0), x.eq(x + 1), tap_row.eq(following), vector.eq(following),
                    self._column.eq(w.column), self._sum.eq(self._sum + w.acc_stride),
                ]  # fmt: skip
                with m.If(~ends["x"]):
                    m.d.comb += following.eq(vector + w.x_stride)
                with m.Else():
                    m.d.comb += following.eq(vector_row + w.y_stride)
                    m.d.sync += [x.eq(0), y.eq(y + 1), vector_row.eq(following)]
                    with m.If(ends["y"]):
                        m.d.sync += walking.eq(0)
        with m.If(self.start):
            m.d.sync += [
                walking.eq(1), left.eq(w.run), i.eq(0), j.eq(0), x.eq(0), y.eq(0), self._column.eq(w.column),
                self._sum.eq(w.acc[: exact_log2(self.config.sparse.accumulators)]), self.scanned.eq(0),
                *[place.eq(w.act) for place in (self._address, tap, tap_row, vector, vector_row)],
            ]  # fmt: skip
        with m.If(self.clear):
            m.d.sync += walking.eq(0)

        used = Signal(range(CHUNK_QUEUE + 1))
        self._dropped = Signal()
        m.d.comb += self._request.eq(walking & (used != CHUNK_QUEUE))
        m.d.sync += used.eq(used + self._request - self._dropped - self.take)
        with m.If(self.clear):
            m.d.sync += used.eq(0)
        return walking

    def _read(self, m: Module) -> tuple[Value, Signal, Signal]:
        """All banks in a cycle; the bytes in order in the next but one. Whether any are on their way."""
        config = self.config
        banks = config.banks
        lanes = exact_log2(banks)
        word, after = Signal(_WIDE - lanes), Signal(_WIDE - lanes)
        m.d.comb += [word.eq(self._address[lanes:]), after.eq(word + 1)]
        words = [Mux(bank < self._address[:lanes], after, word) for bank in range(banks)]
        from_ofm = Signal()
        m.d.comb += from_ofm.eq(self.word.source == Space.OFM)
        for port, mine in ((self.ifm, ~from_ofm), (self.ofm, from_ofm)):
            bits = len(port.words) // banks
            m.d.comb += [port.en.eq(self._request & mine), port.words.eq(Cat(at[:bits] for at in words))]

        about = data.StructLayout(
            {"valid": 1, "count": range(banks + 1), "column": _INDEX, "first_sum": len(self._sum)}
        )
        meta_1, meta_2 = Signal(about, name="meta_1"), Signal(about, name="meta_2")
        rotation = Signal(lanes, name="rotation")
        m.d.sync += [meta_1.valid.eq(self._request), meta_2.valid.eq(meta_1.valid)]
        with m.If(self._request):
            m.d.sync += [
                meta_1.count.eq(self._count),
                meta_1.column.eq(self._column),
                meta_1.first_sum.eq(self._sum),
                rotation.eq(self._address),
            ]
        raw, ordered = Signal(8 * banks), Signal(8 * banks)
        m.d.comb += raw.eq(Mux(from_ofm, self.ofm.data, self.ifm.data))
        with m.If(meta_1.valid):
            m.d.sync += [
                ordered.eq(rotate_right(m, raw, 8, rotation, "ordered")),
                meta_2.count.eq(meta_1.count),
                meta_2.column.eq(meta_1.column),
                meta_2.first_sum.eq(meta_1.first_sum),
            ]
        with m.If(self.clear):
            m.d.sync += [meta_1.valid.eq(0), meta_2.valid.eq(0)]

        arrived, kept = Signal(chunk_layout(config), name="arrived"), Signal(name="kept")
        zero_point = self.word.zero_point.as_unsigned()
        m.d.comb += [
            arrived.bytes.eq(ordered),
            arrived.mask.eq(Cat((ordered.word_select(j, 8) != zero_point) & (j < meta_2.count) for j in range(banks))),
            arrived.column.eq(meta_2.column),
            arrived.first_sum.eq(meta_2.first_sum),
            kept.eq(meta_2.valid & arrived.mask.any()),
            self._dropped.eq(meta_2.valid & ~arrived.mask.any()),
        ]
        return meta_1.valid | meta_2.valid, arrived, kept

    def _queue(self, m: Module, arrived: Signal, kept: Signal) -> None:
        m.submodules.queue = queue = memory.Memory(shape=arrived.shape().size, depth=CHUNK_QUEUE, init=[])
        w, r = queue.write_port(), queue.read_port(domain="comb")
        head, tail, count = (
            Signal(ceil_log2(CHUNK_QUEUE), name="head"),
            Signal(ceil_log2(CHUNK_QUEUE), name="tail"),
            Signal(range(CHUNK_QUEUE + 1), name="count"),
        )
        m.d.comb += [
            w.addr.eq(tail),
            w.data.eq(arrived),
            w.en.eq(kept),
            r.addr.eq(head),
            self.chunk.as_value().eq(r.data),
            self.valid.eq(count != 0),
        ]
        m.d.sync += [tail.eq(tail + kept), head.eq(head + self.take), count.eq(count + kept - self.take)]
        with m.If(self.clear):
            m.d.sync += count.eq(0)
            m.d.sync += head.eq(tail)

    def _check(self, m: Module) -> None:
        w, config = self.word, self.config
        sparse, memories = config.sparse, config.memory
        # Those of a table are met by its width: 16 at most.
        no_table = w.table >= sparse.tables if sparse.weights == "codebook" else 0
        size = Mux(w.source == Space.OFM, memories.ofm_kib * 1024, memories.ifm_kib * 1024)
        impossible, outside = Signal(), Signal()
        m.d.comb += [
            impossible.eq(
                (w.opcode != Opcode.SPARSE)
                | (w.out_w == 0)
                | (w.out_h == 0)
                | (w.run == 0)
                | (w.kx == 0)
                | (w.ky == 0)
                | (w.source > Space.OFM)
                | no_table
            ),
            outside.eq(
                (self._address + self._count > size)
                | (self._column + self._count >= sparse.pointers)
                | (self._sum >= sparse.accumulators)
            ),
        ]
        with m.If(self.start & impossible):
            m.d.comb += self.fault.eq(Fault.OPCODE)
        with m.Elif(self.start & w.acc[exact_log2(sparse.accumulators) + 1 :].any()):
            m.d.comb += self.fault.eq(Fault.SCRATCHPAD)
        with m.Elif(self._request & outside):
            m.d.comb += self.fault.eq(Fault.SCRATCHPAD)
