"""The store engine, fed any words and any answers: AXI is kept, and only what may be written is written."""

import pytest
from amaranth import Module, Signal

from rtl.config import ArchConfig, BusConfig, DenseConfig, MemoryConfig
from rtl.dma.store import StoreEngine
from rtl.dma.timing import WRITE_QUEUE
from tests.formal.axi import Addresses, Window, stable
from tests.formal.mutants import Bug
from tests.formal.queues import pointers
from tests.formal.spec import Inside, Spec

CONFIG = ArchConfig(
    dense=DenseConfig(rows=2, cols=2, depthwise_taps=0),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=4, weight_kib=1, param_kib=1, accumulators=16),
    bus=BusConfig(data_bytes=4, burst_beats=4, outstanding=2),
)
OFM_BYTES = CONFIG.memory.ofm_kib * 1024


class StoreSpec(Spec):
    """The engine between any instructions, any scratchpad and any memory."""

    def specify(self, m: Module) -> None:
        store = StoreEngine(CONFIG)
        self.free_ports(store)
        m.submodules.store = inside = Inside(store)
        axi = store.axi
        closed = Signal()
        m.d.comb += closed.eq(axi.bvalid & axi.bready)
        window = Window(self, m, store)
        writes = Addresses(self, m, axi, "aw", CONFIG.bus, closed=closed)
        stable(self, m, "W", axi.wvalid, axi.wready, axi.wdata, axi.wstrb, axi.wlast)
        self.check(m, "AW.in_window", ~axi.awvalid | window.holds(m, axi.awaddr, axi.awlen, CONFIG.bus.data_bytes))
        self.lemma(m, "open_bursts", inside["open_bursts"] == writes.open + axi.awvalid)
        self.lemma(m, "something_left", ~inside["active"] | ((inside["left"] != 0) & (inside["row_bytes"] != 0)))
        self._queues(m, inside, closed)
        self._bursts(m, inside, store)

    def _queues(self, m: Module, inside: Inside, closed: Signal) -> None:
        """Every beat that is read has its place in the queue when it arrives; so has the marker of every burst."""
        beats, markers = inside["beats.level"], inside["markers.level"]
        on_the_way = [inside["travelling_0"][0], inside["travelling_1"][0]]
        self.check(m, "beats.never_overflow", ~on_the_way[1] | inside["beats.w_rdy"])
        self.check(m, "markers.never_overflow", ~inside["begin"] | (markers != CONFIG.bus.outstanding))
        self.check(m, "markers.never_missing", ~closed | (markers != 0))
        self.lemma(m, "free", inside["free"] + beats + on_the_way[0] + on_the_way[1] == WRITE_QUEUE)
        self.lemma(m, "markers.level", markers == inside["open_bursts"])
        pointers(self, m, inside, "beats", WRITE_QUEUE)
        pointers(self, m, inside, "markers", CONFIG.bus.outstanding)

    def _bursts(self, m: Module, inside: Inside, store: StoreEngine) -> None:
        """As many beats as the address promised, the last one marked; each within the scratchpad and the window."""
        address, count, fire = inside["address"], inside["count"], inside["fire"]
        begin, burst_ends = inside["begin"], inside["burst_ends"]
        bytes_left, beats_left = inside["burst_bytes"], inside["burst_axlen"]
        owed, now = Signal(9), Signal(9)
        m.d.comb += now.eq(owed)
        with m.If(begin):
            m.d.comb += now.eq(beats_left + 1)
        with m.If(fire):
            m.d.sync += owed.eq(now - 1)
        self.check(m, "W.last_is_last", ~fire | (burst_ends == (now == 1)))
        self.check(m, "W.bytes_in_window", ~fire | (address + count <= store.dram_bytes))
        self.check(m, "read.in_scratchpad", ~store.read.en | (store.read.address + count <= OFM_BYTES))
        within = Signal()
        m.d.comb += within.eq(inside["active"] & ~inside["opening"])
        self.lemma(m, "burst.owed", ~within | (owed == beats_left + 1))
        self.lemma(m, "burst.in_window", ~within | (address + bytes_left <= store.dram_bytes))
        self.lemma(m, "burst.in_scratchpad", ~within | (inside["spad"] + bytes_left <= OFM_BYTES))


def test_the_store_engine_keeps_to_axi_and_to_its_window(prove):
    prove(StoreSpec(), depth=3)


BUGS = [
    Bug("valid falls early", StoreEngine, "with m.If(self.axi.awready):", "with m.If(1):", ("AW.stays_valid",)),
    Bug("one burst too many", StoreEngine, "& (open_bursts != bus.outstanding)", "",
        ("AW.outstanding", "markers.never_overflow")),
    Bug("more credit than room", StoreEngine, "depth=WRITE_QUEUE", "depth=2", ("beats.never_overflow",)),
    Bug("the first byte only", StoreEngine, "address + burst_bytes > self.dram_bytes", "address > self.dram_bytes",
        ("AW.in_window", "W.bytes_in_window")),
    Bug("does not look at the end", StoreEngine, "spad + burst_bytes > self", "spad > self", ("read.in_scratchpad",)),
    Bug("ends with its row only", StoreEngine, "row_ends | address[beat:block].all()", "row_ends",
        ("W.last_is_last", "AW.within_4_kib")),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(StoreSpec, bug, 20)
