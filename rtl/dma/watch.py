r"""The watch over the bus: an answer that is owed and does not come stops the run.

::

    cycle        a     a+1  ...  a+limit
    owed         _/‾‾‾‾‾‾‾‾ ... ‾‾‾‾‾‾‾‾   nothing moves on the port, and it is the bus's turn
    late         __________ ... /‾‾‾‾‾‾‾   after `limit` such cycles, until something moves
"""

from amaranth import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.csr import TIMEOUT_BITS

__all__ = ["ReadWatch", "WriteWatch"]


class ReadWatch(wiring.Component):
    """Over an AXI read port.

    Parameters
    ----------
    outstanding : int
        Most bursts that are open.

    Ports
    -----
    arvalid, arready, rvalid, rready, rlast : 1
        The port's.
    limit : TIMEOUT_BITS
        Cycles without a handshake, while an address or a beat is owed, that are borne. 0: any number.
    late : 1
        More have passed.

    """

    def __init__(self, outstanding: int) -> None:
        self.outstanding = outstanding
        self.watched = ("arvalid", "arready", "rvalid", "rready", "rlast")
        super().__init__({**{name: In(1) for name in self.watched}, "limit": In(TIMEOUT_BITS), "late": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # An address that is offered is not open yet: one more than may be.
        open_bursts = Signal(range(self.outstanding + 2))
        asked = self.arvalid & self.arready
        came = self.rvalid & self.rready
        m.d.sync += open_bursts.eq(open_bursts + asked - (came & self.rlast))
        owed = (self.arvalid & ~self.arready) | ((open_bursts != 0) & ~self.rvalid)
        _time(m, owed & ~asked & ~came, self.limit, self.late)
        return m


class WriteWatch(wiring.Component):
    """Over an AXI write port.

    Parameters
    ----------
    outstanding : int
        Most bursts that are open.

    Ports
    -----
    awvalid, awready, wvalid, wready, wlast, bvalid, bready : 1
        The port's.
    limit, late : TIMEOUT_BITS, 1
        As those of :class:`ReadWatch`; what is owed is that an address or a beat is taken, or a response.

    """

    def __init__(self, outstanding: int) -> None:
        self.outstanding = outstanding
        self.watched = ("awvalid", "awready", "wvalid", "wready", "wlast", "bvalid", "bready")
        super().__init__({**{name: In(1) for name in self.watched}, "limit": In(TIMEOUT_BITS), "late": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        unanswered = Signal(range(self.outstanding + 2))
        asked = self.awvalid & self.awready
        gone = self.wvalid & self.wready
        answered = self.bvalid & self.bready
        m.d.sync += unanswered.eq(unanswered + (gone & self.wlast) - answered)
        owed = (self.awvalid & ~self.awready) | (self.wvalid & ~self.wready) | ((unanswered != 0) & ~self.bvalid)
        _time(m, owed & ~asked & ~gone & ~answered, self.limit, self.late)
        return m


def _time(m: Module, silent: Value, limit: Value, late: Signal) -> None:
    """Count the cycles of ``silent``; ``late`` in the one behind ``limit`` of them."""
    waited = Signal(TIMEOUT_BITS)
    quiet = Signal()
    m.d.comb += [quiet.eq(silent), late.eq(quiet & (limit != 0) & (waited == limit))]
    with m.If(~quiet):
        m.d.sync += waited.eq(0)
    with m.Elif(waited != limit):
        m.d.sync += waited.eq(waited + 1)
