"""The post-processing engine: the single writer of OFM, for the dense engine, the sparse engine, or both.

::

    cycle      t      t+3          t+11          p            p+3     p+9+cols
    POST     ──issue
    side              │parameters 0…7│
    drain                          │ one pixel per cycle │
    ready                                               └ tail ─┘‾‾‾
    ofm.write                         └ 9 + cols cycles later ──────────┘retire

    cycle      t      t+3    t+4                 p            p+3     p+11
    SPARSE_POST issue
    drain             │wait│ `lanes` sums per cycle │
    ready                                           └ tail ─┘‾‾‾
    ofm.write                 └ 11 cycles later ────────────────────────┘retire
"""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from rtl.config import PARAM_BYTES, ArchConfig
from rtl.dense.lane import drain_layout as dense_drain
from rtl.dense.ports import reader
from rtl.engine import EngineSignature
from rtl.isa import FORMATS, Engine, Fault, Opcode, Post, PostConfig, PostFill, Space
from rtl.isa_layout import HEADER, WORD, instruction_layout
from rtl.post.dense_path import DensePath
from rtl.post.path import WIDE
from rtl.post.sparse_path import SparsePath
from rtl.post.timing import LANE_LATENCY, POST_DECODE, POST_TAIL, SPARSE_LANE_LATENCY
from rtl.requantise import Constants
from rtl.scratchpad import write_port
from rtl.sparse.engine import drain_layout as sparse_drain

__all__ = ["PostEngine"]


class PostEngine(wiring.Component):
    """Runs POST, SPARSE_POST, POST_CONFIG and POST_FILL. Its timing is :class:`rtl.post.timing.PostTiming`.

    Ports
    -----
    engine : EngineSignature
    params, skip_ifm, skip_ofm : scratchpad read ports
    write : scratchpad write port of OFM
    constants : Out(Constants)
    drain, side, out
        With a dense engine: to and from :class:`rtl.dense.lanes.Lanes`.
    sparse_drain, sums, zeroed
        With a sparse engine: to and from :class:`rtl.sparse.engine.SparseEngine`.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        ports: dict[str, wiring.Member] = {
            "engine": Out(EngineSignature(Engine.POST)),
            "params": Out(reader(config)),
            "skip_ifm": Out(reader(config)),
            "skip_ofm": Out(reader(config)),
            "write": Out(write_port(config.banks)),
            "constants": Out(Constants),
        }
        if config.dense_engine is not None:
            cols = config.dense.cols
            ports |= {
                "drain": Out(dense_drain(config.memory.accumulators).size),
                "side": Out(8 * cols),
                "out": In(8 * cols),
            }
        if config.sparse_engine is not None:
            ports |= {
                "sparse_drain": Out(sparse_drain(config)),
                "sums": In(32 * config.sparse.lanes),
                "zeroed": In(1),
            }
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._word = Signal(WORD)
        self._fill = data.View(instruction_layout(PostFill), self._word)
        self._decode, self._start, self._step = Signal(), Signal(), Signal()
        self._filling, self._apply = Signal(), Signal()
        self._finished, self._fill_done, self._fill_outside = Signal(), Signal(), Signal()
        self._paths: dict[Opcode, DensePath | SparsePath] = {}
        self._connect_paths(m)
        self._sequence(m)
        self._fill_rows(m)
        self._write(m)
        self._finish(m)
        self._faults(m)
        return m

    def _connect_paths(self, m: Module) -> None:
        """Each path walks its own instruction; what they read, they read at different times."""
        if self.config.dense_engine is not None:
            m.submodules.dense = dense = DensePath(self.config)
            self._paths[Opcode.POST] = dense
            m.d.comb += [self.drain.eq(dense.drain), self.side.eq(dense.side), dense.out.eq(self.out)]
        if self.config.sparse_engine is not None:
            m.submodules.sparse = sparse = SparsePath(self.config)
            self._paths[Opcode.SPARSE_POST] = sparse
            m.d.comb += [self.sparse_drain.eq(sparse.drain), sparse.sums.eq(self.sums)]
        opcode = data.View(HEADER, self._word).opcode
        for code, path in self._paths.items():
            mine = Signal(name=f"is_{code.name.lower()}")
            m.d.comb += [
                mine.eq(opcode == code),
                path.word.eq(self._word),
                path.decode.eq(self._decode & mine),
                path.start.eq(self._start),
                path.step.eq(self._step & mine),
                path.halt.eq(self.engine.halt),
                path.constants.eq(self.constants),
            ]
            for name in ("params", "skip_ifm", "skip_ofm"):
                ours, its = getattr(self, name), getattr(path, name)
                m.d.comb += its.data.eq(ours.data)
                with m.If(its.en):
                    m.d.comb += [ours.en.eq(1), ours.address.eq(its.address)]

    def _sequence(self, m: Module) -> None:
        e = self.engine
        opcode = data.View(HEADER, self._word).opcode
        tail = Signal(range(POST_TAIL + 1))
        dense, sparse = self._paths.get(Opcode.POST), self._paths.get(Opcode.SPARSE_POST)
        last = Signal()
        m.d.comb += last.eq(Cat(path.step & path.last for path in self._paths.values()).any())
        self._empty = Signal()
        m.d.comb += self._empty.eq(~Cat(path.busy for path in self._paths.values()).any())

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
                m.d.comb += self._decode.eq(1)
                m.next = "START"
                halting()
            with m.State("START"):
                m.d.comb += self._start.eq(1)
                m.next = "DRAIN"
                if dense is not None:
                    with m.If(opcode == Opcode.POST):
                        post = data.View(instruction_layout(Post), self._word)
                        with m.If(post.load_params):
                            m.next = "PARAMS"
                        with m.Else():
                            m.next = "STREAM"
                halting()
            if dense is not None:
                with m.State("PARAMS"):
                    m.d.comb += dense.loading.eq(1)
                    with m.If(dense.loaded):
                        m.next = "STREAM"
                    halting()
            with m.State("STREAM"):
                m.d.comb += self._step.eq(1)
                with m.If(last):
                    m.d.sync += tail.eq(POST_TAIL - 1)
                    m.next = "TAIL"
                halting()
            with m.State("TAIL"):
                m.d.sync += tail.eq(tail - 1)
                with m.If(tail == 0):
                    m.next = "IDLE"
                halting()
            with m.State("DRAIN"):
                with m.If(opcode == Opcode.POST_CONFIG), m.If(self._empty):
                    m.d.comb += [self._apply.eq(1), self._finished.eq(1)]
                    m.next = "IDLE"
                with m.Elif(opcode == Opcode.POST_FILL), m.If(self._empty):
                    m.next = "FILL"
                if sparse is not None:
                    with m.Else(), m.If(self.zeroed & (~dense.busy if dense is not None else 1)):
                        m.next = "STREAM"
                halting()
            with m.State("FILL"):
                m.d.comb += self._filling.eq(1)
                with m.If(self._fill_done):
                    m.d.comb += self._finished.eq(1)
                    m.next = "IDLE"
                halting()
        self._busy = ~fsm.ongoing("IDLE")

        new = data.View(instruction_layout(PostConfig), self._word)
        with m.If(self._apply):
            m.d.sync += [getattr(self.constants, name).eq(getattr(new, name)) for name in Constants.as_shape().members]

    def _fill_rows(self, m: Module) -> None:
        fill, banks = self._fill, self.config.banks
        row, left = Signal(16), Signal(20)
        address, row_address = Signal(WIDE, name="fill_address"), Signal(WIDE)
        chunk = Signal(range(banks + 1))
        row_end = Signal(name="fill_row_end")
        m.d.comb += [
            row_end.eq(left <= banks),
            chunk.eq(Mux(row_end, left, banks)),
            self._fill_done.eq(row_end & (row == fill.rows - 1)),
            self._fill_outside.eq(address + chunk > self.config.memory.ofm_kib * 1024),
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
        self._fill_address, self._fill_chunk = address, chunk

    def _write(self, m: Module) -> None:
        """One of them writes at a time: each waits until the others have written."""
        with m.If(self._filling):
            m.d.comb += [
                self.write.en.eq(~self._fill_outside & ~self.engine.halt),
                self.write.address.eq(self._fill_address),
                self.write.count.eq(self._fill_chunk),
                self.write.data.eq(self._fill.value.replicate(self.config.banks)),
            ]
        for path in self._paths.values():
            with m.If(path.write.en):
                m.d.comb += [
                    self.write.en.eq(~self.engine.halt),
                    self.write.address.eq(path.write.address),
                    self.write.count.eq(path.write.count),
                    self.write.data.eq(path.write.data),
                ]

    def _finish(self, m: Module) -> None:
        e = self.engine
        header = data.View(HEADER, self._word)
        # What is on its way through the lanes retires in order, and before anything that waits for them to drain.
        m.submodules.waiting = waiting = fifo.SyncFIFOBuffered(
            width=len(header.layer) + len(header.signal), depth=_most_under_way(self.config)
        )
        paths = list(self._paths.values())
        written = Signal()
        m.d.comb += [
            written.eq(Cat(path.written for path in paths).any()),
            waiting.w_data.eq(Cat(header.layer, header.signal)),
            waiting.w_en.eq(Cat(path.live & path.last for path in paths).any()),
            waiting.r_en.eq(written),
        ]
        ended, streamed = Signal(), Signal()
        with m.If(written):
            m.d.comb += [e.retire.valid.eq(1), Cat(e.retire.layer, e.retire.signal).eq(waiting.r_data)]
        with m.Elif(ended & ~streamed):
            m.d.comb += [e.retire.valid.eq(1), e.retire.layer.eq(header.layer), e.retire.signal.eq(header.signal)]

        values = Signal(32)
        with m.If(self._start):
            m.d.sync += values.eq(0)
        for path in paths:
            with m.If(path.step):
                m.d.sync += values.eq(values + path.values)
        with m.If(self._filling):
            m.d.sync += values.eq(values + self._fill_chunk)
        m.d.sync += ended.eq(Cat(path.step & path.last for path in paths).any() | self._finished)
        events = e.commit.events
        m.d.comb += [
            streamed.eq(Cat(header.opcode == code for code in self._paths).any()),
            e.commit.valid.eq(ended),
            e.commit.layer.eq(header.layer),
            events.requantized.eq(Mux(streamed, values, 0)),
            events.ofm_write_bytes.eq(values),
            e.idle.eq(~self._busy & self._empty & ~ended),
        ]
        for code in self._paths:
            self._count_reads(m, code, values)

    def _count_reads(self, m: Module, code: Opcode, values: Signal) -> None:
        """Parameters and residual of ``code``."""
        events = self.engine.commit.events
        post = data.View(instruction_layout(FORMATS[code]), self._word)
        params: Value = PARAM_BYTES * values
        if code == Opcode.POST:
            params = Mux(post.load_params, PARAM_BYTES * post.filters, 0)
        with m.If(post.opcode == code):
            m.d.comb += events.param_read_bytes.eq(params)
            with m.If(post.residual):
                m.d.comb += [
                    events.skip_ifm_bytes.eq(Mux(post.skip_source == Space.IFM, values, 0)),
                    events.skip_ofm_bytes.eq(Mux(post.skip_source == Space.OFM, values, 0)),
                ]

    def _faults(self, m: Module) -> None:
        e, fill = self.engine, self._fill
        known = (*self._paths, Opcode.POST_CONFIG, Opcode.POST_FILL)
        unknown, empty = Signal(), Signal()
        m.d.comb += [
            unknown.eq(~Cat(fill.opcode == code for code in known).any()),
            empty.eq((fill.opcode == Opcode.POST_FILL) & ((fill.rows == 0) | (fill.row_bytes == 0))),
        ]
        with m.If(self._decode & (unknown | empty)):
            m.d.comb += e.fault.eq(Fault.OPCODE)
        with m.If(self._filling & self._fill_outside):
            m.d.comb += e.fault.eq(Fault.SCRATCHPAD)
        for path in self._paths.values():
            with m.If(path.fault != Fault.NONE):
                m.d.comb += e.fault.eq(path.fault)
        with m.If(e.halt):
            m.d.comb += e.fault.eq(Fault.NONE)


def _most_under_way(config: ArchConfig) -> int:
    """Most instructions whose last bytes are in the lanes at once: those of one vector each, one behind the other."""
    columns = config.dense.cols if config.dense_engine is not None else 1
    latency = max(LANE_LATENCY + columns - 1, SPARSE_LANE_LATENCY)
    # One may end in the cycle in which the first retires; a queue of 8 is as small as any memory.
    return max(8, latency // (POST_DECODE + 1 + POST_TAIL) + 1)
