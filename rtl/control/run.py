"""The run: from start to done or fault, counted in cycles."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.wiring import In, Out

from rtl.counters import COUNTER_BITS
from rtl.engine import FAULT_BITS
from rtl.isa import ENGINE_COUNT, Fault

__all__ = ["FAULT_UNITS", "UNIT_DISPATCH", "UNIT_FETCH", "UNIT_RUN", "FaultReport", "Run"]

UNIT_DISPATCH = ENGINE_COUNT
UNIT_FETCH = ENGINE_COUNT + 1
FAULT_UNITS = ENGINE_COUNT + 2
"""Who can see a fault: the four engines, dispatch and fetch."""
UNIT_RUN = FAULT_UNITS
"""The run itself: it has taken too long."""


class FaultReport(data.Struct):
    """What went wrong, where, and for which layer. Code 0: nothing did."""

    code: FAULT_BITS
    unit: 4
    layer: 12
    layer_known: 1


class State(Enum, shape=2):
    """Where a run is."""

    IDLE = 0
    CLEAR = 1
    RUN = 2
    SETTLE = 3


class Run(wiring.Component):
    r"""Clear, run, settle; and hold what came out of it.

    ::

        state      IDLE  CLEAR ....... RUN   RUN   ...   RUN   SETTLE ... IDLE
        start      /‾\_______________________________________________________
        begin      ___________________/‾‾‾\________________________________    first cycle of RUN: cycle 0
        cycle      ___________________  0  /  1  /  ... / c   / c + 1            frozen until the next start
        finish     _________________________________/‾‾‾‾‾\_________________    in cycle c
        done       _________________________________________________________/‾‾

    ``CYCLES`` is therefore c + 1, the number of cycles in RUN. A fault ends RUN too. SETTLE lasts until the engines
    and the fetcher are idle and the counters are in memory; only then ``busy`` falls.

    Ports
    -----
    start, clear : 1
        Commands. ``start`` is for when not ``busy``.
    finish : 1
        The program is done.
    limit : 32
        Most cycles that a run may take; 0 for any number. In cycle ``limit`` RUN ends with the fault LIMIT, unless it
        ends in that cycle by another one.
    faults : six FaultReport
        A code in a cycle of RUN ends it. Of several in one cycle the lowest numbered counts.
    settled : 1
        Nothing is in flight on any bus, and all counters are in memory.
    cleared : 1
        The counters have been cleared.
    wipe : 1
        A pulse: clear the counters.
    reset : 1
        Set queues, gates, engines and the fetcher to their state after reset.
    begin : 1
        A pulse in cycle 0.
    halt : 1
        Not running: start nothing, write nothing.
    cycle : 48
        Of the run, from 0; the number of cycles when it is over.
    busy, done : 1
    fault : FaultReport
        The first one since start or clear. Known while the accelerator is still busy.
    """

    start: In(1)
    clear: In(1)
    finish: In(1)
    limit: In(32)
    faults: In(FaultReport).array(FAULT_UNITS)
    settled: In(1)
    cleared: In(1)
    wipe: Out(1)
    reset: Out(1)
    begin: Out(1)
    halt: Out(1)
    cycle: Out(COUNTER_BITS)
    busy: Out(1)
    done: Out(1)
    fault: Out(FaultReport)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state = Signal(State)
        complete = Signal()
        first = Signal()
        report = Signal(FaultReport)

        with m.If((self.limit != 0) & (self.cycle == self.limit)):
            m.d.comb += [report.code.eq(Fault.LIMIT), report.unit.eq(UNIT_RUN)]
        for unit in reversed(range(FAULT_UNITS)):
            with m.If(self.faults[unit].code != Fault.NONE):
                m.d.comb += report.eq(self.faults[unit])

        with m.If(self.clear):
            m.d.sync += [self.done.eq(0), self.fault.eq(0)]
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.start):
                m.d.comb += self.wipe.eq(1)
                m.d.sync += [state.eq(State.CLEAR), self.cycle.eq(0), self.done.eq(0), self.fault.eq(0)]
            with m.Case(State.CLEAR):
                m.d.comb += self.reset.eq(1)
                with m.If(self.cleared):
                    m.d.sync += [state.eq(State.RUN), first.eq(1)]
            with m.Case(State.RUN):
                m.d.comb += self.begin.eq(first)
                m.d.sync += [first.eq(0), self.cycle.eq(self.cycle + 1)]
                with m.If(report.code != Fault.NONE):
                    m.d.sync += [state.eq(State.SETTLE), complete.eq(0), self.fault.eq(report)]
                with m.Elif(self.finish):
                    m.d.sync += [state.eq(State.SETTLE), complete.eq(1)]
            with m.Case(State.SETTLE), m.If(self.settled):
                m.d.sync += [state.eq(State.IDLE), self.done.eq(complete)]

        m.d.comb += [self.busy.eq(state != State.IDLE), self.halt.eq(state != State.RUN)]
        return m
