"""The zero-skipping scan: every activation that is not zero is found once, in order, and nothing else is."""

import pytest
from amaranth import Cat, Module, Mux, Signal

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.sparse.scan import Scan
from tests.formal.mutants import Bug, quick_first
from tests.formal.spec import Inside, Spec, past

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(pes=1, lanes=1, pointers=64, accumulators=16, tables=1),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=1),
    bus=BusConfig(data_bytes=4),
)
BANKS = CONFIG.banks


class ScanSpec(Spec):
    """The scan between any chunks, which stay until they are taken, and a taker that waits as it likes."""

    def specify(self, m: Module) -> None:
        scan = Scan(CONFIG)
        self.free_ports(scan)
        m.submodules.scan = inside = Inside(scan)
        chunk = scan.chunk
        taken = Signal(name="taken")
        m.d.comb += taken.eq(scan.valid & scan.take)
        offered = past(m, scan.chunk_valid & ~scan.chunk_take & ~scan.clear, "offered")
        was = past(m, chunk.as_value(), "chunk")
        self.assume(
            m,
            ~scan.chunk_valid | (chunk.mask != 0),
            ~offered | (scan.chunk_valid & (chunk.as_value() == was)),
            ~scan.take | scan.valid,
        )
        self._found(m, scan, inside)

        # What is found waits for its taker, and only the next one found comes after it.
        kept = past(m, scan.valid & ~scan.take & ~scan.clear, "kept")
        activation = past(m, scan.activation.as_value(), "activation")
        self.check(m, "waits", ~kept | (scan.valid & (scan.activation.as_value() == activation)))
        ended = past(m, scan.clear | (taken & ~scan.chunk_valid), "ended")
        self.check(m, "nothing_else", ~ended | ~scan.valid)
        self.reach(m, "last_of_a_full_chunk", taken & (scan.activation.column == BANKS - 1))

    def _found(self, m: Module, scan: Scan, inside: Inside) -> None:
        """What was found in the cycle before is the next one of its chunk, and the chunk is left with its last."""
        chunk = scan.chunk
        search = past(m, scan.chunk_valid & (~scan.valid | scan.take) & ~scan.clear, "search")
        mask, column = past(m, chunk.mask, "mask"), past(m, chunk.column, "column")
        content, zero = past(m, chunk.bytes, "bytes"), past(m, scan.zero_point, "zero_point")
        first_sum = past(m, chunk.first_sum, "first_sum")
        left_chunk = past(m, scan.chunk_take & ~scan.clear, "left_chunk")
        place, lane = Signal(len(scan.activation.column)), Signal(range(BANKS))
        m.d.comb += [place.eq(scan.activation.column - column), lane.eq(place)]

        emitted, now = Signal(BANKS), Signal(BANKS)
        m.d.comb += now.eq(Mux(search, Mux(left_chunk, 0, emitted | (1 << lane)), emitted))
        m.d.sync += emitted.eq(Mux(scan.clear, 0, now))
        to_come, below = Signal(BANKS), Signal(BANKS)
        m.d.comb += [to_come.eq(mask & ~emitted), below.eq((1 << lane) - 1)]
        byte = Signal(8)
        m.d.comb += byte.eq(content.word_select(lane, 8))

        self.check(m, "found.is_there", ~search | (scan.valid & (place < BANKS) & mask.bit_select(lane, 1)))
        self.check(m, "found.once", ~search | ~emitted.bit_select(lane, 1))
        self.check(m, "found.in_order", ~search | ((to_come & below) == 0))
        self.check(m, "found.all", ~search | (left_chunk == ((to_come & ~(1 << lane)) == 0)))
        self.check(m, "taken.only_then", search | ~left_chunk)
        # Of a chunk whose columns all have both their pointers (see `test_chunk_addresses`), so has the one found.
        pointers = CONFIG.sparse.pointers
        within = Cat(~chunk.mask[k] | (chunk.column + k + 1 < pointers) for k in range(BANKS)).all()
        exact = Signal(len(column) + 1, name="exact_column")
        m.d.comb += exact.eq(column + lane)
        right = (scan.activation.column == exact) & (exact + 1 < pointers)
        self.check(m, "found.has_pointers", ~(search & past(m, within, "within")) | right)
        self.check(m, "found.value", ~search | (scan.activation.value == byte.as_signed() - zero.as_signed()))
        self.check(m, "found.vector", ~search | (scan.activation.first_sum == first_sum))
        self.lemma(m, "gone", inside["gone"] == now)
        self.lemma(m, "gone.of_chunk", (now == 0) | (scan.chunk_valid & ((now & ~Cat(chunk.mask)) == 0)))
        self.lemma(m, "gone.not_all", (now == 0) | (now != chunk.mask))


def test_every_non_zero_is_found_once_and_in_order(prove):
    prove(ScanSpec(), depth=3)


BUGS = [
    Bug("finds it again", Scan, "gone | found)", "found)", ("found.once", "found.all", "found.in_order")),
    Bug("the highest first", Scan, "left & (~left + 1)[:banks]", "left & (left - 1)[:banks]",
        ("found.is_there", "found.in_order", "found.all", "found.once")),
    Bug("leaves early", Scan, "advance & (left == found)", "advance", ("found.all",)),
    Bug("does not wait", Scan, "(~self.valid | self.take)", "1", ("waits",)),
    Bug("columns modulo the number of banks", Scan, "self.chunk.column + place",
        "(self.chunk.column + place)[:4]",
        ("found.has_pointers", "found.is_there")),
    Bug("forgets the zero point", Scan, "byte - self.zero_point", "byte", ("found.value",)),
]  # fmt: skip


@pytest.mark.parametrize("bug", quick_first(BUGS), ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(ScanSpec, bug, 10)
