"""One engine's counters, layer by layer."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.control.gate import CAUSES, Stalls
from rtl.control.totals import Totals
from rtl.counters import COUNTER_BITS, event_names, stall_causes, stall_name
from rtl.engine import COMMIT_SPACING, EVENT_BITS, Retire, commit_layout
from rtl.isa import Engine

__all__ = ["SETTLE_CYCLES", "EngineTotals"]

SETTLE_CYCLES = COMMIT_SPACING + 2
"""Cycles after a pulse in which it is in memory."""


class EngineTotals(wiring.Component):
    r"""Add up an engine's commits and stalls, and keep the last retire cycle, per layer.

    ::

        cycle            t     t+1   t+2   t+3   t+4   t+5
        commit.valid   _/‾\_________________________/‾\__   at least COMMIT_SPACING apart
        add step         ____/ 0  /  1  /  2  /  3  /‾‾‾‾‾   row 4 * layer + step of the memory

    Counters are numbered as :meth:`names` lists them.

    Parameters
    ----------
    engine : Engine
    layers : int

    Ports
    -----
    commit : :func:`rtl.engine.commit_layout`
    stalls : Stalls
    retire : Retire
    cycle : 48
        What is remembered when an instruction retires.
    clear : 1
        Set row ``clear_row`` of every memory to zero. Nothing may be counted in such a cycle.
    clear_row : unsigned
        0 .. 4 * layers - 1.
    layer, index : 12, unsigned
        What to read: a layer, and a counter by its number. For cycles in which nothing is counted.
    value : 48
        That counter of that layer, a cycle later.

    """

    def __init__(self, engine: Engine, layers: int) -> None:
        self.of = engine
        self.layers = layers
        self._events = len(event_names(engine))
        self._lanes = -(-self._events // COMMIT_SPACING)
        super().__init__(
            {
                "commit": In(commit_layout(engine)),
                "stalls": In(Stalls),
                "retire": In(Retire),
                "cycle": In(COUNTER_BITS),
                "clear": In(1),
                "clear_row": In(range(layers * COMMIT_SPACING)),
                "layer": In(12),
                "index": In(range(self._events + CAUSES + 1)),
                "value": Out(COUNTER_BITS),
            }
        )

    def names(self) -> tuple[str, ...]:
        """What ``index`` counts through: events, stalls by cause, and ``last_retire``."""
        stalls = (stall_name(self.of, cause) for cause in stall_causes(self.of))
        return (*event_names(self.of), *stalls, "last_retire")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.events = events = Totals(rows=self.layers * COMMIT_SPACING, lanes=self._lanes)
        m.submodules.stalls = stalls = Totals(rows=self.layers, lanes=CAUSES)
        m.submodules.retires = retires = Totals(rows=self.layers, lanes=1, accumulate=False)

        index = Signal.like(self.index)
        m.d.sync += index.eq(self.index)
        with m.Switch(index):
            for number in range(len(self.names())):
                with m.Case(number):
                    if number < self._events:
                        m.d.comb += self.value.eq(events.data.word_select(number % self._lanes, COUNTER_BITS))
                    elif number < self._events + CAUSES:
                        m.d.comb += self.value.eq(stalls.data.word_select(number - self._events, COUNTER_BITS))
                    else:
                        m.d.comb += self.value.eq(retires.data)

        self._add_events(m, events)
        m.d.comb += [
            stalls.add.eq(self.stalls.valid),
            stalls.amounts.eq(self.stalls.cycles),
            stalls.row.eq(Mux(self.stalls.valid, self.stalls.layer, self.layer)),
            retires.add.eq(self.retire.valid),
            retires.amounts.eq(self.cycle),
            retires.row.eq(Mux(self.retire.valid, self.retire.layer, self.layer)),
        ]
        for totals in (stalls, retires):
            m.d.comb += totals.clear.eq(self.clear & (self.clear_row < self.layers))
        with m.If(self.clear):
            m.d.comb += [t.row.eq(self.clear_row) for t in (events, stalls, retires)]
        return m

    def _add_events(self, m: Module, totals: Totals) -> None:
        step = Signal(range(COMMIT_SPACING))
        adding = Signal()
        layer = Signal.like(self.commit.layer)
        left = Signal(COMMIT_SPACING * self._lanes * EVENT_BITS)
        with m.If(adding):
            m.d.sync += [step.eq(step + 1), left.eq(left[len(totals.amounts) :])]
            with m.If(step == COMMIT_SPACING - 1):
                m.d.sync += adding.eq(0)
        with m.If(self.commit.valid):
            m.d.sync += [adding.eq(1), layer.eq(self.commit.layer), left.eq(self.commit.events)]

        read_step = Signal(range(COMMIT_SPACING))
        with m.Switch(self.index):
            for number in range(self._events):
                with m.Case(number):
                    m.d.comb += read_step.eq(number // self._lanes)
        m.d.comb += [
            totals.clear.eq(self.clear),
            totals.add.eq(adding),
            totals.amounts.eq(left),
            totals.row.eq(Mux(adding, Cat(step, layer), Cat(read_step, self.layer))),
        ]
