"""The queues that the hardware takes from Amaranth: no entry is lost, doubled, changed or overtaken."""

import pytest
from amaranth import Module, Mux, Signal
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered

from tests.formal.mutants import Bug, mutant, quick_first
from tests.formal.order import Follower
from tests.formal.queues import wrapped
from tests.formal.spec import Inside, Spec

WIDTH = 3
SLOW = pytest.mark.slow


class FifoSpec(Spec):
    """A queue whose both ends do what they like."""

    def __init__(self, kind: type, depth: int) -> None:
        super().__init__()
        self.kind, self.depth = kind, depth

    def specify(self, m: Module) -> None:
        fifo = self.kind(width=WIDTH, depth=self.depth)
        self.inputs += [fifo.w_en, fifo.w_data, fifo.r_en]
        m.submodules.fifo = inside = Inside(fifo)
        seen = Follower(
            self, m, "fifo", push=fifo.w_en & fifo.w_rdy, data=fifo.w_data, pop=fifo.r_en & fifo.r_rdy,
            out=fifo.r_data, most=self.depth,
        )  # fmt: skip
        self.check(m, "level_is_told", fifo.level == seen.level)
        self.reach(m, "full", seen.level == self.depth)
        self.reach(m, "entry_is_last_of_many", seen.ahead_is(self.depth - 1))
        self._invariant(m, inside, fifo, seen)

    def _invariant(self, m: Module, inside: Inside, fifo: SyncFIFO | SyncFIFOBuffered, seen: Follower) -> None:
        """Where the entries are: what induction needs to know."""
        buffered = self.kind.__name__ == "SyncFIFOBuffered"
        rows = self.depth - buffered
        produce, consume = inside["produce"], inside["consume"]
        # The first entry of a buffered queue is in the register behind its memory.
        out = fifo.r_rdy if buffered else 0
        stored = Signal(range(self.depth + 1))
        m.d.comb += stored.eq(fifo.level - out)
        self.lemma(m, "pointers.range", (produce < rows) & (consume < rows))
        self.lemma(m, "pointers.distance", (stored <= rows) & (wrapped(consume + stored, rows) == produce))
        place = Signal(range(2 * self.depth))
        m.d.comb += place.eq(consume + seen.ahead - out)
        row = inside.row(m, "storage", wrapped(place, rows))
        is_out = seen.ahead_is(0) & out
        self.lemma(m, "storage.keeps", ~seen.inside | (Mux(is_out, fifo.r_data, row) == seen.value))


@pytest.mark.parametrize("depth", [2, 8, pytest.param(3, marks=SLOW), pytest.param(64, marks=SLOW)])
def test_a_fifo_keeps_every_entry_in_order(prove, depth):
    prove(FifoSpec(SyncFIFO, depth), depth=2)


@pytest.mark.parametrize("depth", [8, pytest.param(32, marks=SLOW)])
def test_a_buffered_fifo_keeps_every_entry_in_order(prove, depth):
    prove(FifoSpec(SyncFIFOBuffered, depth), depth=2)


@SLOW
@pytest.mark.parametrize("kind", [SyncFIFO, SyncFIFOBuffered])
def test_the_proof_reaches_a_full_fifo(reach, kind):
    reach(FifoSpec(kind, 4), depth=10)


ORDER = ("fifo.in_order", "fifo.never_overflows")
BUGS = [
    Bug("full is one late", SyncFIFO, "self.w_rdy.eq(self.level != self.depth)", "self.w_rdy.eq(1)", ORDER),
    Bug("wraps early", SyncFIFO, "consume.eq(_incr(consume, self.depth))", "consume.eq(_incr(consume, 3))", ORDER),
    Bug("loses the last", SyncFIFOBuffered, "with m.Elif(self.r_en):", "with m.Else():", ("level_is_told",)),
]


@pytest.mark.parametrize("bug", quick_first(BUGS), ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(lambda: FifoSpec(mutant(bug), 4), bug, 10)
