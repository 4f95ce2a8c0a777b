r"""The store engine: STORE copies rows from the OFM scratchpad to DRAM.

One beat a cycle is read, at any byte address, moved to its lanes and queued for the W channel; the address of its burst
goes out as the burst's first beat is read.

::

    cycle           t       t+1     t+2     t+3     t+4 ...  x       x+1     x+2     x+3
    instr handshake ‾‾‾‾‾‾‾‾\________________________    _______________________________/‾‾   ready again in x+3
    read.en         ________/‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾ ... ‾‾‾‾‾\_____                     the last beat in x
    awvalid         ________________/‾‾‾‾‾‾‾\__
    wvalid          ________________________________/‾‾ ...                                a beat read in t+1
    commit          _________________________________    ________/‾‾‾‾‾‾‾\_

An instruction retires in the cycle after the response to its last burst. :class:`rtl.dma.timing.StoreTiming` has the
cycles.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl import isa_layout
from rtl.config import AXI_BOUNDARY_BYTES, ArchConfig
from rtl.dma.axi import ADDRESS_BITS, OKAY, AxiWrite, next_burst, tie_write
from rtl.dma.timing import WRITE_QUEUE
from rtl.engine import EVENT_BITS, EngineSignature
from rtl.isa import Engine, Fault, Opcode, Store
from rtl.isa_layout import TOKENS, instruction_layout
from rtl.scratchpad import READ_LATENCY
from rtl.vectors import rotate_left

__all__ = ["StoreEngine"]

_PAGE = exact_log2(AXI_BOUNDARY_BYTES)


class StoreEngine(wiring.Component):
    """Runs STORE in order.

    An instruction of no rows or of empty rows faults with OPCODE. A burst that leaves the window faults with DRAM, one
    whose bytes are not all in the scratchpad with SCRATCHPAD; neither is begun. When stopped by ``halt`` or by its own
    fault, an open burst is finished with strobes off. ``halt`` makes the engine new once it is idle.

    Ports
    -----
    engine : Out(EngineSignature)
    axi : Out(AxiWrite)
        ``config.bus.outstanding`` bursts at most are open.
    dram_base, dram_bytes : In(32)
        The window of DRAM that instructions see. ``dram_base`` is a multiple of 4096: its low 12 bits are ignored.
    read : {"en", "address", "data"}
        Read port of OFM: lane 0 of ``data`` is byte ``address`` of READ_LATENCY cycles before.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "engine": Out(EngineSignature(Engine.STORE)),
                "axi": Out(AxiWrite(config.bus.data_bytes)),
                "dram_base": In(ADDRESS_BITS),
                "dram_bytes": In(ADDRESS_BITS),
                "read": Out(
                    wiring.Signature(
                        {"en": Out(1), "address": Out(isa_layout.ADDRESS_BITS), "data": In(8 * config.banks)}
                    )
                ),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.config.bus
        beat = exact_log2(bus.data_bytes)
        block = exact_log2(bus.data_bytes * bus.burst_beats)

        stopped = Signal()
        dead = Signal()  # by a fault of our own, until `halt` comes back from whoever collects faults
        m.d.comb += stopped.eq(self.engine.halt | dead)

        store = data.View(instruction_layout(Store), self.engine.instr.payload)
        active = Signal()
        resting = Signal(2)
        accept = Signal()
        impossible = Signal()
        m.d.comb += [
            self.engine.instr.ready.eq(~active & (resting == 0) & ~stopped),
            accept.eq(self.engine.instr.valid & self.engine.instr.ready),
            impossible.eq((store.opcode != Opcode.STORE) | (store.rows == 0) | (store.row_bytes == 0)),
        ]

        # Where the next beat comes from and goes to.
        opening = Signal()  # it is the first of its burst
        address = Signal(ADDRESS_BITS + 1)
        row_address = Signal(ADDRESS_BITS + 1)
        stride = Signal(28)
        spad = Signal(isa_layout.ADDRESS_BITS + 1)
        row_spad = Signal(isa_layout.ADDRESS_BITS + 1)
        spad_stride = Signal(isa_layout.ADDRESS_BITS)
        rows = Signal(16)
        row_bytes = Signal(20)
        left = Signal(20)
        layer = Signal(12)
        signal = Signal(TOKENS)
        with m.If(accept & ~impossible):
            m.d.sync += [
                active.eq(1),
                opening.eq(1),
                address.eq(store.dram),
                row_address.eq(store.dram),
                stride.eq(store.dram_stride),
                spad.eq(store.spad),
                row_spad.eq(store.spad),
                spad_stride.eq(store.spad_stride),
                rows.eq(store.rows),
                row_bytes.eq(store.row_bytes),
                left.eq(store.row_bytes),
                layer.eq(store.layer),
                signal.eq(store.signal),
            ]

        burst_bytes, burst_len = next_burst(m, address, left, data_bytes=bus.data_bytes, burst_beats=bus.burst_beats)
        lane = Signal(beat)
        room = Signal(range(bus.data_bytes + 1))
        row_ends = Signal()
        count = Signal(range(bus.data_bytes + 1))
        burst_ends = Signal()
        page = Signal(ADDRESS_BITS - _PAGE + 1)
        outside = Signal()
        overrun = Signal()
        m.d.comb += [
            lane.eq(address[:beat]),
            room.eq(bus.data_bytes - lane),
            row_ends.eq(left <= room),
            count.eq(Mux(row_ends, left, room)),
            burst_ends.eq(row_ends | address[beat:block].all()),
            page.eq(self.dram_base[_PAGE:] + address[_PAGE:ADDRESS_BITS]),
            outside.eq((address + burst_bytes > self.dram_bytes) | page[-1]),
            overrun.eq(spad + burst_bytes > self.config.memory.ofm_kib * 1024),
        ]

        m.submodules.beats = beats = SyncFIFO(width=9 * bus.data_bytes + 1, depth=WRITE_QUEUE)
        free = Signal(range(WRITE_QUEUE + 1), init=WRITE_QUEUE)  # beats that the queue can still be promised
        open_bursts = Signal(range(bus.outstanding + 1))
        choose = Signal()
        begin = Signal()
        fire = Signal()
        ends = Signal()
        written = Signal()
        closed = Signal()
        m.d.comb += [
            choose.eq(
                active
                & opening
                & ~stopped
                & (free != 0)
                & (open_bursts != bus.outstanding)
                & (~self.axi.awvalid | self.axi.awready)
            ),
            begin.eq(choose & ~outside & ~overrun),
            fire.eq(begin | (active & ~opening & (free != 0))),
            ends.eq(fire & row_ends & (rows == 1)),
            written.eq(self.axi.wvalid & self.axi.wready),
            closed.eq(self.axi.bvalid & self.axi.bready),
            self.read.en.eq(fire),
            self.read.address.eq(spad),
        ]
        m.d.sync += [
            free.eq(free - fire + written),
            open_bursts.eq(open_bursts + begin - closed),
            resting.eq(Cat(ends, resting[0])),
        ]

        m.d.comb += tie_write(self.axi)
        with m.If(self.axi.awready):
            m.d.sync += self.axi.awvalid.eq(0)
        with m.If(begin):
            m.d.sync += [
                self.axi.awvalid.eq(1),
                self.axi.awaddr.eq(Cat(Const(0, beat), address[beat:_PAGE], page[:-1])),
                self.axi.awlen.eq(burst_len),
            ]

        with m.If(fire):
            m.d.sync += [
                opening.eq(burst_ends),
                address.eq(address + count),
                spad.eq(spad + count),
                left.eq(left - count),
            ]
            with m.If(row_ends):
                next_row = Signal.like(row_address)
                next_spad = Signal.like(row_spad)
                m.d.comb += [next_row.eq(row_address + stride), next_spad.eq(row_spad + spad_stride)]
                m.d.sync += [
                    address.eq(next_row),
                    row_address.eq(next_row),
                    spad.eq(next_spad),
                    row_spad.eq(next_spad),
                    left.eq(row_bytes),
                    rows.eq(rows - 1),
                ]
        with m.If(ends | (self.engine.halt & (opening | (fire & burst_ends)))):
            m.d.sync += active.eq(0)

        self._write_beats(m, beats, fire, stopped, lane, count, burst_ends)
        self._respond(m, begin, closed, stopped, (left == burst_bytes) & (rows == 1), layer, signal)
        self._events(m, accept, fire, begin, count)
        m.d.comb += [
            self.engine.commit.valid.eq(resting[0]),
            self.engine.commit.layer.eq(layer),
            self.engine.idle.eq(~active & (open_bursts == 0) & ~self.engine.retire.valid),
        ]

        with m.If(accept & impossible):
            m.d.comb += self.engine.fault.eq(Fault.OPCODE)
        with m.Elif(choose & outside):
            m.d.comb += self.engine.fault.eq(Fault.DRAM)
        with m.Elif(choose & overrun):
            m.d.comb += self.engine.fault.eq(Fault.SCRATCHPAD)
        with m.Elif(closed & (self.axi.bresp != OKAY) & ~stopped):
            m.d.comb += self.engine.fault.eq(Fault.BUS)
        with m.If(self.engine.fault != Fault.NONE):
            m.d.sync += dead.eq(1)
        with m.If(self.engine.halt):
            m.d.sync += dead.eq(0)
        return m

    def _write_beats(self, m: Module, beats: SyncFIFO, fire, stopped, lane, count, burst_ends) -> None:
        """From the cycle of the read to the W channel: the beat is queued when its bytes arrive."""
        width = self.config.bus.data_bytes
        strobes = Signal(width)
        m.d.comb += strobes.eq(Mux(stopped, 0, ((1 << count) - 1)[:width] << lane))
        travelling = Cat(fire, burst_ends, lane, strobes)
        for stage in range(READ_LATENCY):
            later = Signal(len(travelling), name=f"travelling_{stage}")
            m.d.sync += later.eq(travelling)
            travelling = later
        arrived = Signal()
        last = Signal()
        arrived_lane = Signal(len(lane))
        arrived_strobes = Signal(width)
        # A rotation moves the bytes as a shift would: those that come round have no strobe.
        placed = rotate_left(m, self.read.data[: 8 * width], 8, arrived_lane, "placed")
        m.d.comb += [
            Cat(arrived, last, arrived_lane, arrived_strobes).eq(travelling),
            beats.w_en.eq(arrived),
            beats.w_data.eq(Cat(placed, arrived_strobes, last)),
            self.axi.wvalid.eq(beats.r_rdy),
            beats.r_en.eq(self.axi.wready),
            Cat(self.axi.wdata, self.axi.wstrb, self.axi.wlast).eq(beats.r_data),
        ]

    def _respond(self, m: Module, begin, closed, stopped, final, layer, signal) -> None:
        """Retire an instruction with the response to its last burst."""
        m.submodules.markers = markers = SyncFIFO(width=1 + 12 + len(signal), depth=self.config.bus.outstanding)
        was_final = Signal()
        retire = Signal.like(self.engine.retire)
        m.d.comb += [
            markers.w_en.eq(begin),
            markers.w_data.eq(Cat(final, layer, signal)),
            self.axi.bready.eq(1),
            markers.r_en.eq(closed),
            Cat(was_final, retire.layer, retire.signal).eq(markers.r_data),
            retire.valid.eq(closed & was_final & (self.axi.bresp == OKAY) & ~stopped),
        ]
        m.d.sync += self.engine.retire.eq(retire)

    def _events(self, m: Module, accept, fire, begin, count) -> None:
        """Count what the instruction does; all is settled in the cycle after its last beat was read."""
        events = self.engine.commit.events
        moved = Signal(EVENT_BITS)
        beats = Signal(EVENT_BITS)
        bursts = Signal(EVENT_BITS)
        with m.If(accept):
            m.d.sync += [moved.eq(0), beats.eq(0), bursts.eq(0)]
        with m.Elif(fire):
            m.d.sync += [moved.eq(moved + count), beats.eq(beats + 1), bursts.eq(bursts + begin)]
        m.d.comb += [
            events.store_ofm_bytes.eq(moved),
            events.dram_write_bytes.eq(moved),
            events.dram_write_beats.eq(beats),
            events.dram_write_bursts.eq(bursts),
        ]
