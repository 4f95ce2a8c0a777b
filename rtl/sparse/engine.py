"""The zero-skipping engine: scan, processing elements, and what they have in common."""

from amaranth import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2, exact_log2

from rtl.config import ArchConfig
from rtl.dense.gather import gather_ports
from rtl.engine import EVENT_BITS, EngineSignature
from rtl.isa import Engine, Fault, Space, Sparse
from rtl.isa_layout import TOKENS, instruction_layout
from rtl.scratchpad import spad_write_port
from rtl.sparse.chunks import Chunks
from rtl.sparse.fill import fill_memories
from rtl.sparse.pe import ProcessingElement
from rtl.sparse.scan import Scan

__all__ = ["SparseEngine", "drain_layout"]


def drain_layout(config: ArchConfig) -> data.StructLayout:
    """Which sums to read: ``address`` of ``half`` of the PEs of ``group``, as many as there are lanes."""
    sparse = config.sparse
    return data.StructLayout(
        {
            "valid": 1,
            "half": 1,
            "address": exact_log2(sparse.accumulators),
            "group": range(sparse.pes // sparse.lanes),
        }
    )


class SparseEngine(wiring.Component):
    """Runs SPARSE. Its timing is :class:`rtl.sparse.timing.SparseTiming`.

    ::

        cycle      t      t+1      t+2         r       r+3    g+1=b                F        R
        instr    ──issue  fields   ┌ chunks read, a cycle each ┐      next issue ──F+1
        scan                                            └ a non-zero per cycle ┘
        PEs                                                    └ broadcast, queued, multiplied …┘
        retire                                                                               │

    An instruction has the scan from its issue until all is broadcast (F). It has the PEs from the second cycle after
    the retirement of the one before, or from t + 2 on, until it retires.

    Ports
    -----
    engine : EngineSignature
    ifm, ofm : scratchpad gather ports
    write : spad_write_port
        Of the load engine. What it writes can be read two cycles later.
    drain, sums : In(drain_layout), Out(lanes * 32)
        The sums follow two cycles later, and are zero from then on. A half that is in use faults with BANK.
    zeroed : Out(1)
        All sums have been zeroed since the reset. No instruction is taken before.

    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "engine": Out(EngineSignature(Engine.COMPUTE)),
                "write": In(spad_write_port(config.banks)),
                "drain": In(drain_layout(config)),
                "sums": Out(32 * config.sparse.lanes),
                "zeroed": Out(1),
                **gather_ports(config),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.chunks = self._chunks = chunks = Chunks(config)
        m.submodules.scan = self._scan = scan = Scan(config)
        self._pes = [ProcessingElement(config) for _ in range(config.sparse.pes)]
        for p, pe in enumerate(self._pes):
            m.submodules[f"pe_{p}"] = pe
        for name in ("ifm", "ofm"):
            connect(m, flipped(getattr(self, name)), getattr(chunks, name))
        fill_memories(m, config, self.write, self._pes)

        self._word = word = Signal(instruction_layout(Sparse))
        self._active, self._start, self._mine = Signal(), Signal(), Signal()
        self._hand_over, self._finish, self._retire = Signal(), Signal(), Signal()
        self._running, self._all_ready, self._send = Signal(), Signal(), Signal()
        m.d.comb += [
            chunks.word.eq(word),
            chunks.start.eq(self._start),
            chunks.clear.eq(self.engine.halt),
            chunks.take.eq(scan.chunk_take),
            scan.chunk_valid.eq(chunks.valid),
            scan.chunk.eq(chunks.chunk),
            scan.zero_point.eq(word.zero_point),
            scan.clear.eq(self.engine.halt),
            scan.take.eq(self._send),
        ]
        self._sequence(m)
        self._broadcast(m)
        self._drain(m)
        self._count(m)
        return m

    def _sequence(self, m: Module) -> None:
        """Who has the scan, and who the PEs."""
        e, scan, chunks = self.engine, self._scan, self._chunks
        self._busy, self._settling, self._settled, resting = Signal(), Signal(), Signal(), Signal()
        accepted = Signal()
        m.d.comb += [
            e.instr.ready.eq(~self._active & self.zeroed & ~e.halt),
            accepted.eq(e.instr.valid & e.instr.ready),
            self._hand_over.eq(self._active & ~self._mine & ~self._running & ~resting),
            self._finish.eq(self._mine & chunks.done & ~scan.valid),
            self._retire.eq(self._settled & ~self._busy & ~e.halt),
            e.idle.eq(~self._active & ~self._running),
        ]
        m.d.sync += [
            self._start.eq(accepted),
            self._busy.eq(Cat(pe.busy for pe in self._pes).any()),
            self._settled.eq(self._settling & ~self._retire),
            resting.eq(self._retire),
        ]
        with m.If(accepted):
            m.d.sync += [self._word.eq(e.instr.payload), self._active.eq(1)]
        with m.If(self._hand_over):
            m.d.sync += [self._running.eq(1), self._mine.eq(1)]
        with m.If(self._finish):
            m.d.sync += [self._active.eq(0), self._mine.eq(0), self._settling.eq(1)]
        with m.If(self._retire):
            m.d.sync += [self._running.eq(0), self._settling.eq(0)]
        with m.If(e.halt):
            m.d.sync += [
                signal.eq(0)
                for signal in (
                    self._start, self._active, self._running, self._mine, self._settling, self._settled, resting,
                )
            ]  # fmt: skip

    def _broadcast(self, m: Module) -> None:
        """To all PEs, in a cycle in which each of them has room."""
        e, scan, word = self.engine, self._scan, self._word
        low = exact_log2(self.config.sparse.accumulators)
        self._half = Signal(name="half")
        row, table = Signal(16, name="entry_row"), Signal(ceil_log2(self.config.sparse.tables), name="table")
        clear = Signal()
        with m.If(self._hand_over):
            m.d.sync += [row.eq(word.entry), table.eq(word.table), self._half.eq(word.acc[low])]
        m.d.comb += [
            self._all_ready.eq(Cat(pe.ready for pe in self._pes).all()),
            self._send.eq(scan.valid & self._mine & self._all_ready),
            clear.eq(self._hand_over | e.halt),
        ]
        sweep, last = Signal(low), Signal()
        m.d.comb += last.eq(sweep == self.config.sparse.accumulators - 1)
        m.d.sync += self.zeroed.eq(self.zeroed | last)
        with m.If(~self.zeroed):
            m.d.sync += sweep.eq(sweep + 1)
        for pe in self._pes:
            m.d.comb += [
                pe.clear.eq(clear),
                pe.take.eq(self._send),
                pe.value.eq(scan.activation.value),
                pe.column.eq(scan.activation.column),
                pe.first_sum.eq(scan.activation.first_sum),
                pe.entry_row.eq(row),
                pe.table.eq(table),
                pe.half.eq(self._half),
                pe.zero_en.eq(~self.zeroed),
                pe.zero_address.eq(sweep),
            ]
        lost = Signal()
        m.d.sync += lost.eq(Cat(pe.fault for pe in self._pes).any())
        clash = Signal()
        m.d.comb += clash.eq(self.drain.valid & self._running & (self.drain.half == self._half))
        m.d.comb += e.fault.eq(self._chunks.fault)
        with m.If(lost):
            m.d.comb += e.fault.eq(Fault.SCRATCHPAD)
        with m.If(clash):
            m.d.comb += e.fault.eq(Fault.BANK)
        with m.If(e.halt):
            m.d.comb += e.fault.eq(Fault.NONE)

    def _drain(self, m: Module) -> None:
        sparse, drain = self.config.sparse, self.drain
        for p, pe in enumerate(self._pes):
            m.d.comb += [
                pe.drain_en.eq(drain.valid & (drain.group == p // sparse.lanes)),
                pe.drain_half.eq(drain.half),
                pe.drain_address.eq(drain.address),
            ]
        valid, group = Signal(), Signal.like(drain.group)
        m.d.sync += [valid.eq(drain.valid), group.eq(drain.group)]
        groups = [
            Cat(pe.drain_data for pe in self._pes[first : first + sparse.lanes])
            for first in range(0, sparse.pes, sparse.lanes)
        ]
        with m.If(valid):
            m.d.sync += self.sums.eq(Array(groups)[group])

    def _count(self, m: Module) -> None:
        """Events, committed with the retirement."""
        e, scan, word = self.engine, self._scan, self._word
        layer, signal, from_ofm = Signal(12), Signal(TOKENS), Signal()
        scanned, cycles = Signal(EVENT_BITS), Signal(EVENT_BITS)
        counts = {
            "sparse_broadcasts": self._send,
            "sparse_stalls": scan.valid & self._mine & ~self._all_ready,
            "sparse_pushes": self._how_many(m, "queued"),
            "sparse_rows": self._how_many(m, "row_read"),
            "sparse_macs": self._how_many(m, "mac"),
            "sparse_padding": self._how_many(m, "padding"),
        }
        events = e.commit.events
        for name, amount in counts.items():
            total = Signal(EVENT_BITS, name=f"total_{name}")
            m.d.sync += total.eq(Mux(self._hand_over, 0, total + amount))
            m.d.comb += events[name].eq(total)
        with m.If(self._active | self._running):
            m.d.sync += cycles.eq(Mux(self._retire, 0, cycles + 1))
        with m.If(e.halt):
            m.d.sync += cycles.eq(0)
        with m.If(self._hand_over):
            m.d.sync += [layer.eq(word.layer), signal.eq(word.signal), from_ofm.eq(word.source == Space.OFM)]
        with m.If(self._finish):
            m.d.sync += scanned.eq(self._chunks.scanned)
        m.d.comb += [
            events.sparse_cycles.eq(cycles + 1),
            events.ifm_read_bytes.eq(Mux(from_ofm, 0, scanned)),
            events.ofm_read_bytes.eq(Mux(from_ofm, scanned, 0)),
            e.commit.valid.eq(self._retire),
            e.commit.layer.eq(layer),
            e.retire.valid.eq(self._retire),
            e.retire.layer.eq(layer),
            e.retire.signal.eq(signal),
        ]

    def _how_many(self, m: Module, event: str) -> Value:
        """PEs in which ``event`` was in the cycle before."""
        number = Signal(range(len(self._pes) + 1), name=f"number_{event}")
        m.d.sync += number.eq(_count_ones([getattr(pe, event) for pe in self._pes]))
        return number


def _count_ones(bits: list[Value]) -> Value:
    """A balanced tree of adders."""
    while len(bits) > 1:
        bits = [a + b for a, b in zip(bits[::2], bits[1::2], strict=False)] + bits[len(bits) & ~1 :]
    return bits[0]
