"""The dense array adds every sum to the accumulator that its word names, or it is told that there is none.

A half has a power of two of accumulators, as the configuration wants it: the specification counts in more bits than an
address has, so that one that wraps is not the one that was meant.
"""

import pytest
from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data

from rtl.dense.lane import Lane, drain_layout
from rtl.dense.loader import Loader
from rtl.dense.weight_stationary.engine import WeightStationaryEngine
from tests.formal.compute import ACC, ENTRIES, LOW, ROWS, WIDE, ComputeSpec, config
from tests.formal.mutants import Bug
from tests.formal.queues import all_delayed
from tests.formal.spec import Inside, Spec, past


class WeightStationarySpec(ComputeSpec):
    """Pixel m of a tile goes to accumulator ``acc + m``, or to ``acc`` with ``hold``."""

    def specify(self, m: Module) -> None:
        engine = WeightStationaryEngine(config("weight_stationary", taps=ROWS))
        self.free_ports(engine)
        m.submodules.engine = inside = Inside(engine)
        self.stops(m, engine.engine)
        loader, delay = engine._loader, engine._sums
        first, its_half = self.loads(m, loader, inside)
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


class LaneSpec(Spec):
    """A column's accumulators: a sum is read and written where its control says, and drained where the drain's does."""

    def specify(self, m: Module) -> None:
        lane = Lane(config("weight_stationary", taps=0))
        self.free_ports(lane)
        m.submodules.lane = inside = Inside(lane)
        acc, drain = data.View(ACC, lane.acc_i), data.View(drain_layout(ENTRIES), lane.drain_i)
        now = data.View(ACC, past(m, lane.acc_i, "acc"))
        for half in range(2):
            read, write = inside.read(f"half_{half}"), inside.write(f"half_{half}")
            adds = acc.valid & ~acc.set & (acc.half == half)
            drains = drain.valid & (drain.half == half)
            # Both at once are refused by the core around the lanes.
            place = Mux(adds, acc.address, drain.address)
            self.check(m, f"half_{half}.read", (read.en == (adds | drains)) & (~read.en | (read.address == place)))
            writes = now.valid & (now.half == half)
            self.check(m, f"half_{half}.write", (write.en == writes) & (~writes | (write.address == now.address)))
        self.check(m, "next_lane", (lane.acc_o == now.as_value()) & (lane.drain_o == past(m, lane.drain_i, "drain")))


def test_a_lane_reads_and_writes_the_accumulator_it_is_told(prove):
    prove(LaneSpec(), depth=2)


def test_weight_stationary_sums_go_where_their_word_says(prove):
    prove(WeightStationarySpec(), depth=3)


@pytest.mark.slow
def test_the_proof_reaches_the_last_accumulator(reach):
    reach(WeightStationarySpec(), depth=16)


LANE_BUG = Bug("writes where it reads", Lane, "w.addr.eq(now.address)", "w.addr.eq(acc.address)",
    ("half_0.write", "half_1.write"))  # fmt: skip
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


@pytest.mark.slow
def test_a_seeded_bug_in_a_lane_is_found(refute):
    refute(LaneSpec, LANE_BUG, 4)
