"""What each layer cost: totals of every counter, and when its last instruction retired."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.control.engine_totals import SETTLE_CYCLES, EngineTotals
from rtl.control.gate import Stalls
from rtl.counters import COUNTER_BITS, COUNTERS
from rtl.engine import COMMIT_SPACING, Retire, commit_layout
from rtl.isa import ENGINE_COUNT, Engine

__all__ = ["INDEX_BITS", "LayerCounters"]

INDEX_BITS = (len(COUNTERS) + ENGINE_COUNT - 1).bit_length()


class LayerCounters(wiring.Component):
    """The counters of all engines, per layer, and the sweep that clears them.

    Parameters
    ----------
    layers : int

    Ports
    -----
    commit_load .. commit_store : commit of each engine, :func:`rtl.engine.commit_layout`
    stalls : four Stalls
    retires : four Retire
    cycle : 48
        What is remembered when an instruction retires.
    clear : 1
        A pulse: set everything to zero. ``busy`` is high for the next ``4 * layers`` cycles, in which nothing may be
        counted.
    busy : 1
        Something is not in memory yet.
    layer : 12
        Layer to read, less than ``layers``.
    index : unsigned
        What to read: a position in :data:`rtl.counters.COUNTERS`, or that many and an :class:`rtl.isa.Engine` for the
        last retire cycle.
    value : 48
        That total of that layer, a cycle later, if not ``busy``.

    """

    def __init__(self, layers: int) -> None:
        self.layers = layers
        super().__init__(
            {f"commit_{engine.name.lower()}": In(commit_layout(engine)) for engine in Engine}
            | {
                "stalls": In(Stalls).array(ENGINE_COUNT),
                "retires": In(Retire).array(ENGINE_COUNT),
                "cycle": In(COUNTER_BITS),
                "clear": In(1),
                "busy": Out(1),
                "layer": In(12),
                "index": In(INDEX_BITS),
                "value": Out(COUNTER_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(range(self.layers * COMMIT_SPACING))
        sweeping = Signal()
        with m.If(sweeping):
            m.d.sync += row.eq(row + 1)
            with m.If(row == self.layers * COMMIT_SPACING - 1):
                m.d.sync += [row.eq(0), sweeping.eq(0)]
        with m.If(self.clear):
            m.d.sync += sweeping.eq(1)

        index = Signal.like(self.index)
        m.d.sync += index.eq(self.index)
        pulses = Signal(3 * ENGINE_COUNT)
        for engine in Engine:
            totals = EngineTotals(engine, self.layers)
            m.submodules[f"totals_{engine.name.lower()}"] = totals
            commit = getattr(self, f"commit_{engine.name.lower()}")
            stalls, retire = self.stalls[engine], self.retires[engine]
            m.d.comb += [
                totals.commit.eq(commit),
                totals.stalls.eq(stalls),
                totals.retire.eq(retire),
                totals.cycle.eq(self.cycle),
                totals.clear.eq(sweeping),
                totals.clear_row.eq(row),
                totals.layer.eq(self.layer),
                pulses.word_select(engine, 3).eq(commit.valid + (stalls.valid << 1) + (retire.valid << 2)),
            ]
            self._route(m, engine, totals, index)

        settle = Signal(range(SETTLE_CYCLES + 1))
        with m.If(pulses.any()):
            m.d.sync += settle.eq(SETTLE_CYCLES)
        with m.Elif(settle != 0):
            m.d.sync += settle.eq(settle - 1)
        m.d.comb += self.busy.eq(sweeping | pulses.any() | (settle != 0))
        return m

    def _route(self, m: Module, engine: Engine, totals: EngineTotals, index: Signal) -> None:
        """Lead the index that ``engine`` counts to its own number of it, and its value out a cycle later."""
        own = {name: number for number, name in enumerate(totals.names())}
        places = {i: own[c.name] for i, c in enumerate(COUNTERS) if c.engine == engine}
        places[len(COUNTERS) + engine] = own["last_retire"]
        with m.Switch(self.index):
            for place, number in places.items():
                with m.Case(place):
                    m.d.comb += totals.index.eq(number)
        with m.Switch(index), m.Case(*places):
            m.d.comb += self.value.eq(totals.value)
