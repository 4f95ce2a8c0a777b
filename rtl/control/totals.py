"""A memory of running totals."""

from amaranth import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.counters import COUNTER_BITS
from rtl.engine import EVENT_BITS

__all__ = ["Totals"]


class Totals(wiring.Component):
    r"""``rows`` rows of ``lanes`` totals of 48 bits; an amount per lane is added to a row at a time.

    ::

        cycle        t     t+1   t+2
        add        _/‾\_______________   row, amounts
        (memory)     read  write
        data       ____________/‾‾‾‾‾    a read of the same row in t+2 or later sees the sum

    Reading and adding share the memory's read port. An addition has it in cycle t, so two additions must be two
    cycles apart if they are to the same row, and ``row`` is only read in cycles without ``add``.

    Parameters
    ----------
    rows, lanes : int
    accumulate : bool
        If not, an amount replaces the total: the memory keeps what came last.

    Ports
    -----
    add : 1
        Add ``amounts`` to row ``row``.
    row : unsigned
    amounts : lanes * amount_bits
        Lane 0 lowest; 40 bits each, or 48 when they replace.
    data : lanes * 48
        Row ``row`` of the cycle before. Lane 0 lowest.
    clear : 1
        Set row ``row`` to zero, instead.

    """

    def __init__(self, *, rows: int, lanes: int, accumulate: bool = True) -> None:
        self.lanes = lanes
        self.accumulate = accumulate
        self.amount_bits = EVENT_BITS if accumulate else COUNTER_BITS
        self._memory = memory.Memory(shape=lanes * COUNTER_BITS, depth=rows, init=())
        super().__init__(
            {
                "add": In(1),
                "row": In(range(rows)),
                "amounts": In(lanes * self.amount_bits),
                "data": Out(lanes * COUNTER_BITS),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = self._memory
        w = self._memory.write_port()
        r = self._memory.read_port()

        row = Signal.like(self.row)
        amounts = Signal.like(self.amounts)
        adding = Signal()
        clearing = Signal()
        m.d.sync += [row.eq(self.row), amounts.eq(self.amounts), adding.eq(self.add), clearing.eq(self.clear)]

        after = Signal(self.lanes * COUNTER_BITS)
        for i in range(self.lanes):
            old = r.data.word_select(i, COUNTER_BITS) if self.accumulate else 0
            m.d.comb += after.word_select(i, COUNTER_BITS).eq(old + amounts.word_select(i, self.amount_bits))
        m.d.comb += [
            r.addr.eq(self.row),
            r.en.eq(1),
            self.data.eq(r.data),
            w.addr.eq(row),
            w.data.eq(after & ~clearing.replicate(len(after))),
            w.en.eq(adding | clearing),
        ]
        return m
