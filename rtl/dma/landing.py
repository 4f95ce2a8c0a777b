r"""Where loaded bytes land: takes beats from the R channel, or makes padding up, and writes a scratchpad.

::

    cycle         c        c+1
    rvalid        ‾‾‾‾‾‾‾‾‾\_______    the last beat of an instruction is taken in c = end
    write.en      _________/‾‾‾‾‾‾‾\_   its bytes can be read by whoever gives the address in c+2
    retire.valid  _________/‾‾‾‾‾‾‾\_
"""

from amaranth import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.config import ArchConfig
from rtl.dma.axi import OKAY
from rtl.engine import FAULT_BITS, Retire
from rtl.isa import Fault, Space
from rtl.isa_layout import ADDRESS_BITS, TOKENS
from rtl.scratchpad import spad_write_port
from rtl.spaces import loadable
from rtl.vectors import rotate_right

__all__ = ["Landing", "ticket_layout"]


def ticket_layout(data_bytes: int) -> data.StructLayout:
    """What the landing has to know of an instruction: where its bytes go, and where in the beats they lie."""
    lane = exact_log2(data_bytes)
    return data.StructLayout(
        {
            "fill": 1,
            "value": 8,
            "space": Shape.cast(Space),
            "lane": lane,  # of the first row's first byte
            "lane_stride": lane,
            "spad": ADDRESS_BITS,
            "spad_stride": ADDRESS_BITS,
            "rows": 16,
            "row_bytes": 20,
            "layer": 12,
            "signal": TOKENS,
        }
    )


class Landing(wiring.Component):
    """Carries out tickets in order: at most ``data_bytes`` bytes a cycle, one row after the other.

    A ticket that is pushed in cycle t starts in ``max(t + 1, end of the one before)`` and moves bytes from the next
    cycle on: one beat whenever ``rvalid``, or one chunk of padding every cycle. It ends with the cycle of its last
    one and retires in the cycle after. There is no cycle lost between tickets.

    Parameters
    ----------
    depth : int
        Tickets that can wait.

    Ports
    -----
    ticket : In(stream)
    stop : In(1)
        Write and retire nothing more; let beats pass. While ``clear`` is high too, tickets are forgotten.
    rvalid, rdata, rresp : In
        ``rready`` falls only while padding is written.
    write : Out(spad_write_port)
    retire : Out(Retire)
    busy : Out(1)
        A ticket is still to retire.
    fault : Out(4)
        SCRATCHPAD: a byte outside its scratchpad; BUS: a response other than OKAY. For one cycle. Neither is written.
    """

    def __init__(self, config: ArchConfig, *, depth: int) -> None:
        self.config = config
        self.depth = depth
        self.layout = ticket_layout(config.bus.data_bytes)
        super().__init__(
            {
                "ticket": In(stream.Signature(self.layout)),
                "stop": In(1),
                "clear": In(1),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(8 * config.bus.data_bytes),
                "rresp": In(2),
                "write": Out(spad_write_port(config.banks)),
                "retire": Out(Retire),
                "busy": Out(1),
                "fault": Out(FAULT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.config.bus.data_bytes

        m.submodules.queue = queue = SyncFIFO(width=self.layout.size, depth=self.depth)
        head = Signal(self.layout)
        m.d.comb += [
            queue.w_data.eq(self.ticket.payload.as_value()),
            queue.w_en.eq(self.ticket.valid),
            self.ticket.ready.eq(queue.w_rdy),
            head.as_value().eq(queue.r_data),
        ]

        active = Signal()
        now = Signal(self.layout)  # `spad`, `lane` and `rows` are those of the current row
        address = Signal(ADDRESS_BITS + 1)
        row_address = Signal(ADDRESS_BITS + 1)
        lane = Signal(exact_log2(width))
        left = Signal(20)
        step = Signal()
        count = Signal(range(width + 1))
        row_ends = Signal()
        ends = Signal()
        take = Signal()
        m.d.comb += [
            self.rready.eq(self.stop | (active & ~now.fill)),
            step.eq(active & ~self.stop & (now.fill | self.rvalid)),
            row_ends.eq(left <= width - lane),
            count.eq(Mux(row_ends, left, width - lane)),
            ends.eq(step & row_ends & (now.rows == 1)),
            take.eq(queue.r_rdy & ~self.stop & (~active | ends)),
            queue.r_en.eq(take | self.clear),
            self.busy.eq(active | queue.r_rdy | self.retire.valid),
        ]

        with m.If(step):
            m.d.sync += [address.eq(address + count), left.eq(left - count), lane.eq(0)]
            with m.If(row_ends):
                next_row = Signal.like(row_address)
                next_lane = Signal.like(lane)
                m.d.comb += [next_row.eq(row_address + now.spad_stride), next_lane.eq(now.lane + now.lane_stride)]
                m.d.sync += [
                    address.eq(next_row),
                    row_address.eq(next_row),
                    lane.eq(next_lane),
                    now.lane.eq(next_lane),
                    left.eq(now.row_bytes),
                    now.rows.eq(now.rows - 1),
                    active.eq(now.rows != 1),
                ]
        with m.If(take):
            m.d.sync += [
                active.eq(1),
                now.eq(head),
                address.eq(head.spad),
                row_address.eq(head.spad),
                lane.eq(head.lane),
                left.eq(head.row_bytes),
            ]
        with m.If(self.clear):
            m.d.sync += active.eq(0)

        outside = Signal()
        refused = Signal()
        m.d.comb += [
            outside.eq(address + count > self._size(m, now.space)),
            refused.eq(~now.fill & (self.rresp != OKAY)),
        ]
        with m.If(step & outside):
            m.d.comb += self.fault.eq(Fault.SCRATCHPAD)
        with m.Elif(step & refused):
            m.d.comb += self.fault.eq(Fault.BUS)

        good = Signal()
        # A rotation moves the bytes as a shift would: those that come round are not counted.
        landed = rotate_right(m, self.rdata, 8, lane, "landed")
        m.d.comb += good.eq(~outside & ~refused)
        m.d.sync += [self.write.en.eq(step & good), self.retire.valid.eq(ends & good)]
        with m.If(step):
            m.d.sync += [
                self.write.space.eq(now.space),
                self.write.address.eq(address),
                self.write.count.eq(count),
                self.write.data.eq(Mux(now.fill, now.value.replicate(width), landed)),
                self.retire.layer.eq(now.layer),
                self.retire.signal.eq(now.signal),
            ]
        return m

    def _size(self, m: Module, space: Signal) -> Signal:
        """Bytes of a scratchpad. Tickets for one that cannot be loaded are never made."""
        size = Signal(ADDRESS_BITS + 1, name="spad_bytes")
        with m.Switch(space):
            for number, spad_bytes in loadable(self.config).items():
                with m.Case(number):
                    m.d.comb += size.eq(spad_bytes)
        return size
