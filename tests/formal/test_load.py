"""The load engine, fed any words and any answers: AXI is kept, and no byte lands outside a scratchpad."""

import pytest
from amaranth import Cat, Module, Signal, Value
from amaranth.lib import data

from rtl.config import ArchConfig, BusConfig, DenseConfig, MemoryConfig, SparseConfig
from rtl.dma.axi import next_burst
from rtl.dma.landing import Landing, ticket_layout
from rtl.dma.load import LoadEngine
from rtl.isa import Space
from rtl.spaces import IN_BEATS, loadable
from tests.formal.axi import Addresses, Window
from tests.formal.mutants import Bug
from tests.formal.queues import all_entries
from tests.formal.spec import Inside, Spec

CONFIG = ArchConfig(
    dense=DenseConfig(rows=2, cols=2, depthwise_taps=0),
    memory=MemoryConfig(ifm_kib=4, weight_kib=2, param_kib=1, accumulators=16),
    bus=BusConfig(data_bytes=4, burst_beats=4, outstanding=2),
)
SPARSE = ArchConfig(
    dense=None,
    sparse=SparseConfig(pes=2, lanes=1, row_bytes=4, spmat_kib=1, pointers=16, tables=2),
    memory=MemoryConfig(ifm_kib=4, param_kib=1),
    bus=BusConfig(data_bytes=4, burst_beats=4, outstanding=2),
)


class LoadSpec(Spec):
    """The engine between any instructions and any memory."""

    def __init__(self, config: ArchConfig = CONFIG) -> None:
        super().__init__()
        self.config = config

    def specify(self, m: Module) -> None:
        load = LoadEngine(self.config)
        self.free_ports(load)
        m.submodules.load = inside = Inside(load)
        axi = load.axi
        closed = Signal()
        m.d.comb += closed.eq(axi.rvalid & axi.rready & axi.rlast)
        window = Window(self, m, load)
        reads = Addresses(self, m, axi, "ar", self.config.bus, closed=closed)
        self.assume(m, ~axi.rvalid | (reads.open != 0))
        self.check(m, "AR.in_window", ~axi.arvalid | window.holds(m, axi.araddr, axi.arlen, self.config.bus.data_bytes))
        self.lemma(m, "open_bursts", inside["open_bursts"] == reads.open + axi.arvalid)
        self.lemma(m, "something_left", ~inside["active"] | (inside["left"] != 0) & (inside["row_bytes"] != 0))
        self._lands(m, load, inside)
        self._tickets(m, inside)

    def _lands(self, m: Module, load: LoadEngine, inside: Inside) -> None:
        """Every write is within the scratchpad that it is for, and that scratchpad is there."""
        write, spaces = load.write, loadable(self.config)
        beat = self.config.bus.data_bytes
        there = Signal()
        with m.Switch(write.space):
            for space, size in spaces.items():
                with m.Case(space):
                    m.d.comb += there.eq(write.address + write.count <= size)
        self.check(m, "write.in_scratchpad", ~write.en | there)
        whole = (write.count == beat) & (write.address % beat == 0)
        self.check(m, "write.whole_beats", ~write.en | ~self._in_beats(write.space) | whole)
        self.reach(m, "write.last_byte", write.en & (write.address + write.count == spaces[Space.IFM]))

    def _in_beats(self, space: Value) -> Value:
        return Cat(space == other for other in IN_BEATS & loadable(self.config).keys()).any()

    def _tickets(self, m: Module, inside: Inside) -> None:
        """Each ticket, waiting or worked on, has bytes and a scratchpad for them."""

        beat = self.config.bus.data_bytes
        layout = ticket_layout(beat)

        def possible(row: Signal) -> Value:
            ticket = data.View(layout, row)
            there = Cat(ticket.space == space for space in loadable(self.config)).any()
            parts = (ticket.lane, ticket.lane_stride, ticket.spad, ticket.spad_stride, ticket.row_bytes)
            ragged = ticket.fill | Cat(part % beat != 0 for part in parts).any()
            return there & (ticket.row_bytes != 0) & (ticket.rows != 0) & ~(self._in_beats(ticket.space) & ragged)

        all_entries(self, m, inside, "landing.queue", self.config.bus.outstanding, "possible", possible)
        active, now = inside["landing.active"], inside["landing.now"]
        parts = [inside[f"landing.{name}"] for name in ("address", "row_address", "lane", "left")]
        whole = ~Cat(part % beat != 0 for part in parts).any()
        in_beats = active & self._in_beats(data.View(layout, now).space)
        self.lemma(m, "landing.whole_beats", ~in_beats | whole)
        self.lemma(m, "landing.possible", ~active | possible(now))
        self.lemma(m, "landing.something_left", ~active | (inside["landing.left"] != 0))


def test_the_load_engine_keeps_to_axi_and_to_its_scratchpads(prove):
    prove(LoadSpec(), depth=3)


def test_loads_for_the_sparse_engine_lie_within_its_memories_in_whole_beats(prove):
    prove(LoadSpec(SPARSE), depth=3)


BUGS = [
    Bug("valid falls early", LoadEngine, "with m.If(self.axi.arready):", "with m.If(1):", ("AR.stays_valid",)),
    Bug("does not wait", LoadEngine, "(~self.axi.arvalid | self.axi.arready)", "1", ("AR.keeps_payload",)),
    Bug("one burst too many", LoadEngine, "(open_bursts != bus.outstanding)", "1", ("AR.outstanding",)),
    Bug("the first byte only", LoadEngine, "address + count > self.dram_bytes", "address > self.dram_bytes",
        ("AR.in_window",)),
    Bug("half a boundary", next_burst, "room.eq(block - within)", "room.eq(block - within[1:])",
        ("AR.within_4_kib", "AR.length")),
    Bug("a chunk too far", Landing, "address + count > self._size", "address > self._size", ("write.in_scratchpad",)),
]  # fmt: skip
SPARSE_BUG = Bug("any lane", LoadEngine, "(load.dram, load.dram_stride, load", "(load", ("write.whole_beats",))


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(LoadSpec, bug, 12)


@pytest.mark.slow
def test_a_seeded_bug_in_loads_for_the_sparse_engine_is_found(refute):
    refute(lambda: LoadSpec(SPARSE), SPARSE_BUG, 12)
