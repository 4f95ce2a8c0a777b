"""The dense array adds every sum to the accumulator that its word names, or it is told that there is none.

A half has a power of two of accumulators, as the configuration wants it: the specification counts in more bits than an
address has, so that one that wraps is not the one that was meant.
"""

import pytest
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.utils import exact_log2

from rtl.config import ArchConfig, BusConfig, DenseConfig, MemoryConfig
from rtl.dense.lane import accumulate_layout
from rtl.dense.loader import Loader
from rtl.dense.timing import GATHER_LATENCY
from rtl.dense.weight_stationary.engine import WeightStationaryEngine
from tests.formal.mutants import Bug
from tests.formal.queues import all_delayed
from tests.formal.spec import Inside, Spec, past

ENTRIES, ROWS = 16, 2
LOW = exact_log2(ENTRIES)
WIDE = 26
"""More pixels than any word has, counted from any place."""
ACC = accumulate_layout(ENTRIES)


def config(dataflow: str, taps: int) -> ArchConfig:
    return ArchConfig(
        dense=DenseConfig(rows=ROWS, cols=2, depthwise_taps=taps, dataflow=dataflow),
        memory=MemoryConfig(ifm_kib=1, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=ENTRIES),
        bus=BusConfig(data_bytes=4),
    )


class AccumulatorSpec(Spec):
    """A compute engine between any instructions, any weights and any activations, until it faults or is halted."""

    def _stops(self, m: Module, port) -> None:
        self.assume(
            m,
            # A fault halts, and a halt lasts until the reset that begins the next run.
            ~past(m, port.halt | (port.fault != 0), "stopped") | port.halt,
        )
        self.told, self.ends = Signal(name="told"), Signal(name="ends")
        m.d.comb += self.ends.eq(self.told | port.halt | (port.fault != 0))
        m.d.sync += self.told.eq(self.ends)
        self.lemma(m, "told", ~self.told | port.halt)

    def _word(self, m: Module, loader: Loader, inside: Inside) -> tuple[Value, Value]:
        """The first accumulator of the loader's word, counted from that of its half; the half."""
        acc = loader.word.acc
        phases = [loader._free, loader.decoding, loader._setup, inside["loader.full"], loader._loading]
        self.lemma(m, "word.in_one_phase", sum(phases) <= 1)
        decoded = ~loader._free & ~loader.decoding
        self.lemma(m, "word.in_a_half", ~decoded | self.told | (acc >> LOW + 1 == 0))
        return acc & ~(1 << LOW), acc[LOW]


class WeightStationarySpec(AccumulatorSpec):
    """Pixel m of a tile goes to accumulator ``acc + m``, or to ``acc`` with ``hold``."""

    def specify(self, m: Module) -> None:
        engine = WeightStationaryEngine(config("weight_stationary", taps=ROWS))
        self.free_ports(engine)
        m.submodules.engine = inside = Inside(engine)
        self._stops(m, engine.engine)
        loader, delay = engine._loader, engine._sums
        first, its_half = self._word(m, loader, inside)
        exact, half, hold = Signal(WIDE, name="exact"), Signal(name="its_half"), Signal(name="its_hold")
        with m.If(delay.i_valid & ~hold):
            m.d.sync += exact.eq(exact + 1)
        with m.If(loader.take):
            m.d.sync += [exact.eq(first), half.eq(its_half), hold.eq(loader.word.hold)]
        stream = data.View(loader.word.shape(), inside["stream"])
        self.lemma(m, "fields", self.told | ((stream.hold == hold) & (stream.acc[LOW] == half)))
        self.lemma(m, "place", self.told | ((exact <= ENTRIES) & (inside["place"] == exact)))

        outside = delay.i_valid & (exact >= ENTRIES)
        self.check(m, "outside.is_told", ~outside | self.ends)
        meant = [(exact, half)]
        for age in range(delay.cycles):
            meant.append((past(m, meant[-1][0], f"exact_{age}"), past(m, meant[-1][1], f"half_{age}")))

        def is_meant(entry: Value, age: int) -> Value:
            control, (place, its_half) = data.View(ACC, entry), meant[age]
            right = (place < ENTRIES) & (control.address == place) & (control.half == its_half)
            return self.told | right

        all_delayed(self, m, inside, "acc_delay", delay.cycles, is_meant)
        acc = data.View(ACC, engine.acc)
        self.check(m, "sum.goes_where_it_is_meant", ~acc.valid | is_meant(engine.acc, delay.cycles))
        self.reach(m, "last_accumulator", acc.valid & ~self.told & (acc.address == ENTRIES - 1))


def test_weight_stationary_sums_go_where_their_word_says(prove):
    prove(WeightStationarySpec(), depth=3)


@pytest.mark.slow
def test_the_proof_reaches_the_last_accumulator(reach):
    reach(WeightStationarySpec(), depth=16)


WEIGHT_STATIONARY_BUGS = [
    Bug("wraps around", WeightStationaryEngine, "outside.eq(pixel & place[low])", "outside.eq(0)",
        ("outside.is_told",)),
    Bug("a third half", Loader, "w.acc[top:].any()", "w.acc[top + 1 :].any()", ("outside.is_told",)),
    Bug("moves on while it holds", WeightStationaryEngine, "with m.If(pixel & ~s.hold):", "with m.If(pixel):",
        ("sum.goes_where_it_is_meant",)),
    Bug("the wrong half", WeightStationaryEngine, "control.half.eq(s.acc[low])", "control.half.eq(s.acc[low - 1])",
        ("sum.goes_where_it_is_meant",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", WEIGHT_STATIONARY_BUGS, ids=str)
def test_a_seeded_bug_in_the_weight_stationary_engine_is_found(refute, bug):
    refute(WeightStationarySpec, bug, 16)
