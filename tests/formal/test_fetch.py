"""Instruction fetch, fed any program's place and any answers: AXI is kept, and the queue never overflows."""

import pytest
from amaranth import Module, Mux, Signal

from rtl.config import ArchConfig, BusConfig, ControlConfig, DenseConfig
from rtl.dma.fetch import FetchEngine
from rtl.isa import INSTRUCTION_BYTES
from tests.formal.axi import Addresses
from tests.formal.mutants import Bug
from tests.formal.queues import pointers
from tests.formal.spec import Inside, Spec, past

CONFIG = ArchConfig(
    dense=DenseConfig(rows=2, cols=2, depthwise_taps=0),
    bus=BusConfig(data_bytes=16, burst_beats=4, outstanding=2),
    control=ControlConfig(fetch_depth=8),
)
PER_WORD = INSTRUCTION_BYTES // CONFIG.bus.data_bytes
ROWS = CONFIG.control.fetch_depth


class FetchSpec(Spec):
    """The fetcher between a host that starts it when it may, a memory, and a taker of words."""

    def specify(self, m: Module) -> None:
        fetch = FetchEngine(CONFIG)
        self.free_ports(fetch)
        m.submodules.fetch = inside = Inside(fetch)
        axi = fetch.axi
        closed = Signal()
        m.d.comb += closed.eq(axi.rvalid & axi.rlast)
        reads = Addresses(self, m, axi, "ar", CONFIG.bus, closed=closed)
        self.assume(m, ~axi.rvalid | (reads.open != 0), ~fetch.start | (fetch.idle & ~fetch.halt))
        self.lemma(m, "open_bursts", inside["open_bursts"] == reads.open + axi.arvalid)
        self.check(m, "rready", axi.rready)

        # A burst has as many beats as were asked for.
        most = CONFIG.bus.outstanding * CONFIG.bus.burst_beats
        owed = Signal(range(2 * most + 1))
        m.d.sync += owed.eq(owed + Mux(reads.taken, axi.arlen + 1, 0) - axi.rvalid)
        self.assume(m, ~axi.rvalid | (owed != 0), (reads.open != 0) | (owed == 0))
        self._room(m, inside, fetch, owed + Mux(axi.arvalid, axi.arlen + 1, 0))
        waits = past(m, fetch.instr.valid & ~fetch.instr.ready & ~fetch.start, "instr_waits")
        word = past(m, fetch.instr.payload, "instr")
        self.check(m, "instr.keeps_payload", ~(waits & fetch.instr.valid) | (fetch.instr.payload == word))

    def _room(self, m: Module, inside: Inside, fetch: FetchEngine, coming) -> None:
        """What was asked for has its place in the queue."""
        level, promised = inside["queue.level"], inside["promised"]
        gathered = inside["number"]
        stopped = Signal()
        m.d.comb += stopped.eq(fetch.halt | inside["dead"])
        pushed = Signal()
        m.d.comb += pushed.eq(fetch.axi.rvalid & (gathered == PER_WORD - 1) & ~stopped)
        self.check(m, "queue.never_overflows", ~pushed | (level != ROWS))
        pointers(self, m, inside, "queue", ROWS)
        self.lemma(m, "something_left", ~inside["active"] | (inside["left"] != 0))
        self.lemma(m, "promised", promised >= PER_WORD * level + gathered + coming)
        self.lemma(m, "promised.most", promised <= ROWS * PER_WORD)


def test_fetch_keeps_to_axi_and_to_its_queue(prove):
    prove(FetchSpec(), depth=3)


BUGS = [
    Bug("valid falls early", FetchEngine, "with m.If(self.axi.arready):", "with m.If(1):", ("AR.stays_valid",)),
    Bug("one burst too many", FetchEngine, " & (open_bursts != bus.outstanding)", "", ("AR.outstanding",)),
    Bug("does not align", FetchEngine, "room.eq(block - address[: exact_log2(block)])", "room.eq(block)",
        ("AR.within_4_kib",)),
    Bug("promises twice", FetchEngine, "promised + count <= capacity", "promised <= capacity",
        ("queue.never_overflows",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(FetchSpec, bug, 30)
