r"""The load engine: LOAD copies rows from DRAM to a scratchpad, FILL writes padding.

Two halves. This one takes instructions and asks DRAM for their bursts, one address a cycle; the
:class:`~rtl.dma.landing.Landing` takes what comes back. The halves run apart, so that the addresses of an instruction
go out while the data of the one before come in, and DRAM's latency is paid once for a run of loads.

::

    cycle           t       t+1     t+2  ...  x       x+1     x+2     x+3
    instr handshake ‾‾‾‾‾‾‾‾\____________________________________________/‾‾   ready again in x+3
    burst chosen    ________/‾‾‾‾‾‾‾‾‾‾‾‾‾‾ ... ‾‾‾‾‾\___                       the last one in x
    arvalid         ________________/‾‾‾‾‾‾ ... ‾‾‾‾‾‾‾‾‾‾‾‾\___
    commit          _________________________________/‾‾‾‾‾‾‾\___

:class:`rtl.dma.timing.LoadTiming` has the cycles.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.config import AXI_BOUNDARY_BYTES, ArchConfig
from rtl.dma.axi import ADDRESS_BITS, AxiRead, next_burst, tie_read
from rtl.dma.landing import Landing
from rtl.engine import EVENT_BITS, EngineSignature
from rtl.isa import Engine, Fault, Fill, Load, Opcode, Space
from rtl.isa_layout import instruction_layout
from rtl.scratchpad import spad_write_port
from rtl.spaces import IN_BEATS, loadable

__all__ = ["LoadEngine"]

_PAGE = exact_log2(AXI_BOUNDARY_BYTES)


class LoadEngine(wiring.Component):
    """Runs LOAD and FILL in order.

    An instruction of no rows or of empty rows, one that loads to OFM or to a memory that there is not, or one that does
    not come in whole beats where it must, faults with OPCODE and has no effect. A burst that leaves the window faults
    with DRAM and is not asked for. After its own fault the engine stops, and as after any fault ``halt`` makes it new:
    it forgets its instructions, and when it is idle, ``halt`` may fall.

    Ports
    -----
    engine : Out(EngineSignature)
    axi : Out(AxiRead)
        ``config.bus.outstanding`` bursts at most are open.
    dram_base, dram_bytes : In(32)
        The window of DRAM that instructions see. ``dram_base`` is a multiple of 4096: its low 12 bits are ignored.
    write : Out(spad_write_port)
        To any space of :func:`rtl.spaces.loadable`.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "engine": Out(EngineSignature(Engine.LOAD)),
                "axi": Out(AxiRead(config.bus.data_bytes)),
                "dram_base": In(ADDRESS_BITS),
                "dram_bytes": In(ADDRESS_BITS),
                "write": Out(spad_write_port(config.banks)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.config.bus
        m.submodules.landing = landing = Landing(self.config, depth=bus.outstanding)

        stopped = Signal()
        dead = Signal()  # by a fault of our own, until `halt` comes back from whoever collects faults
        m.d.comb += stopped.eq(self.engine.halt | dead)

        active = Signal()
        resting = Signal(2)
        accept = Signal()
        m.d.comb += [
            self.engine.instr.ready.eq(~active & (resting == 0) & landing.ticket.ready & ~stopped),
            accept.eq(self.engine.instr.valid & self.engine.instr.ready),
        ]
        impossible = self._ticket(m, landing, accept)

        load = data.View(instruction_layout(Load), self.engine.instr.payload)
        fill = Signal()
        space = Signal(Space)
        layer = Signal(12)
        address = Signal(ADDRESS_BITS + 1)
        row_address = Signal(ADDRESS_BITS + 1)
        stride = Signal(28)
        rows = Signal(16)
        row_bytes = Signal(20)
        left = Signal(20)
        with m.If(accept & ~impossible):
            ticket = landing.ticket.payload
            m.d.sync += [
                active.eq(1),
                fill.eq(ticket.fill),
                space.eq(ticket.space),
                layer.eq(ticket.layer),
                address.eq(load.dram),
                row_address.eq(load.dram),
                stride.eq(load.dram_stride),
                rows.eq(ticket.rows),
                row_bytes.eq(ticket.row_bytes),
                left.eq(ticket.row_bytes),
            ]

        # The next burst of the current row, and where it lies.
        count, beats = next_burst(m, address, left, data_bytes=bus.data_bytes, burst_beats=bus.burst_beats)
        page = Signal(ADDRESS_BITS - _PAGE + 1)
        outside = Signal()
        m.d.comb += [
            page.eq(self.dram_base[_PAGE:] + address[_PAGE:ADDRESS_BITS]),
            outside.eq((address + count > self.dram_bytes) | page[-1]),
        ]

        open_bursts = Signal(range(bus.outstanding + 1))
        choose = Signal()
        ask = Signal()
        closed = Signal()
        ends = Signal()
        m.d.comb += [
            choose.eq(
                active & ~fill & ~stopped & (open_bursts != bus.outstanding) & (~self.axi.arvalid | self.axi.arready)
            ),
            ask.eq(choose & ~outside),
            closed.eq(self.axi.rvalid & self.axi.rready & self.axi.rlast),
            ends.eq((active & fill) | (ask & (left == count) & (rows == 1))),
        ]
        m.d.comb += tie_read(self.axi)
        m.d.sync += open_bursts.eq(open_bursts + ask - closed)
        with m.If(self.axi.arready):
            m.d.sync += self.axi.arvalid.eq(0)
        with m.If(ask):
            beat = exact_log2(bus.data_bytes)
            m.d.sync += [
                self.axi.arvalid.eq(1),
                self.axi.araddr.eq(Cat(Const(0, beat), address[beat:_PAGE], page[:-1])),
                self.axi.arlen.eq(beats),
                address.eq(address + count),
                left.eq(left - count),
            ]
            with m.If(left == count):
                next_row = Signal.like(row_address)
                m.d.comb += next_row.eq(row_address + stride)
                m.d.sync += [
                    address.eq(next_row),
                    row_address.eq(next_row),
                    left.eq(row_bytes),
                    rows.eq(rows - 1),
                ]
        m.d.sync += resting.eq(Cat(ends, resting[0]))
        with m.If(ends | self.engine.halt):
            m.d.sync += active.eq(0)

        self._events(m, accept, ask, beats, rows, row_bytes, fill, space)
        m.d.comb += [
            self.engine.commit.valid.eq(resting[0]),
            self.engine.commit.layer.eq(layer),
        ]

        # Faults: our own first, for the landing is behind us.
        with m.If(accept & impossible):
            m.d.comb += self.engine.fault.eq(Fault.OPCODE)
        with m.Elif(choose & outside):
            m.d.comb += self.engine.fault.eq(Fault.DRAM)
        with m.Else():
            m.d.comb += self.engine.fault.eq(landing.fault)
        with m.If(self.engine.fault != Fault.NONE):
            m.d.sync += dead.eq(1)
        with m.If(self.engine.halt):
            m.d.sync += dead.eq(0)

        m.d.comb += [
            landing.stop.eq(stopped),
            landing.clear.eq(self.engine.halt),
            landing.rvalid.eq(self.axi.rvalid),
            landing.rdata.eq(self.axi.rdata),
            landing.rresp.eq(self.axi.rresp),
            self.axi.rready.eq(landing.rready),
            self.engine.retire.eq(landing.retire),
            self.engine.idle.eq(~active & ~landing.busy & (open_bursts == 0)),
        ]
        wiring.connect(m, wiring.flipped(self.write), landing.write)
        return m

    def _ticket(self, m: Module, landing: Landing, accept: Signal) -> Signal:
        """Hand the accepted instruction to the landing, unless it is impossible."""
        word = self.engine.instr.payload
        load = data.View(instruction_layout(Load), word)
        fill = data.View(instruction_layout(Fill), word)
        ticket = landing.ticket.payload
        lane = exact_log2(self.config.bus.data_bytes)
        # A signal of its own: in Verilog a process that reads a bit of the vector it assigns may see the bit of before.
        is_fill = Signal()
        m.d.comb += [
            is_fill.eq(load.opcode == Opcode.FILL),
            ticket.layer.eq(load.layer),
            ticket.signal.eq(load.signal),
            ticket.fill.eq(is_fill),
        ]
        with m.If(is_fill):
            m.d.comb += [
                ticket.value.eq(fill.value),
                ticket.space.eq(Space.IFM),
                ticket.lane.eq(0),
                ticket.lane_stride.eq(0),
            ]
        with m.Else():
            m.d.comb += [
                ticket.space.eq(load.space),
                ticket.lane.eq(load.dram[:lane]),
                ticket.lane_stride.eq(load.dram_stride[:lane]),
            ]
        for name in ("spad", "spad_stride", "rows", "row_bytes"):
            m.d.comb += ticket[name].eq(Mux(is_fill, fill[name], load[name]))

        impossible = Signal()
        there = Signal()
        ragged = Signal()
        spaces = loadable(self.config)
        with m.Switch(ticket.space), m.Case(*spaces):
            m.d.comb += there.eq(1)
        if not IN_BEATS.isdisjoint(spaces):
            parts = (load.dram, load.dram_stride, load.spad, load.spad_stride, load.row_bytes)
            with m.Switch(ticket.space), m.Case(*sorted(IN_BEATS)):
                m.d.comb += ragged.eq(Cat(part[:lane] for part in parts).any())
        m.d.comb += [
            impossible.eq(
                ((load.opcode != Opcode.LOAD) & ~is_fill)
                | (ticket.rows == 0)
                | (ticket.row_bytes == 0)
                | ~there
                | ragged
            ),
            landing.ticket.valid.eq(accept & ~impossible),
        ]
        return impossible

    def _events(self, m: Module, accept, ask, beats, rows, row_bytes, fill, space) -> None:
        """Count what the instruction does; all is settled in the cycle after its last burst was chosen."""
        events = self.engine.commit.events
        fresh = Signal()
        total = Signal(36)
        asked_beats = Signal(EVENT_BITS)
        asked_bursts = Signal(EVENT_BITS)
        m.d.sync += fresh.eq(accept)
        with m.If(fresh):
            m.d.sync += total.eq(rows * row_bytes)
        with m.If(accept):
            m.d.sync += [asked_beats.eq(0), asked_bursts.eq(0)]
        with m.Elif(ask):
            m.d.sync += [asked_beats.eq(asked_beats + beats + 1), asked_bursts.eq(asked_bursts + 1)]
        m.d.comb += [
            events.dram_read_bytes.eq(Mux(fill, 0, total)),
            events.dram_read_beats.eq(asked_beats),
            events.dram_read_bursts.eq(asked_bursts),
        ]
        for where in loadable(self.config):
            m.d.comb += events[f"{where.name.lower()}_write_bytes"].eq(Mux(space == where, total, 0))
