"""Addresses within a zero-skipping PE: rows, pointers, codes and sums are where they were meant to be, or it is told.

All sizes are powers of two, as the configuration wants them. So the specification computes every address wider than the
memory's own: one that wraps is not the one that was meant.
"""

import pytest
from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.utils import exact_log2

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.sparse.layout import ACTIVATION_BITS, POINTER_BYTES, SparseLayout
from rtl.sparse.pe import ProcessingElement
from tests.formal.mutants import Bug, quick_first
from tests.formal.queues import wrapped
from tests.formal.spec import Inside, Spec, past

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(
        pes=1, lanes=1, fifo_depth=2, weights="codebook", code_bits=4, index_bits=4, row_bytes=4, spmat_kib=1,
        pointers=16, accumulators=8, tables=2,
    ),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=1),
    bus=BusConfig(data_bytes=4),
)  # fmt: skip
SPARSE = CONFIG.sparse
ROWS = SparseLayout(CONFIG).rows
POINTER = 8 * POINTER_BYTES
COLUMN = data.StructLayout(
    {"value": signed(ACTIVATION_BITS), "start": POINTER, "end": POINTER, "first_sum": exact_log2(SPARSE.accumulators)}
)
WIDE = 24
"""No address of the specification wraps before it is told."""


class AddressSpec(Spec):
    """The PE with any matrix in it and any columns that have both their pointers (see `test_sparse_engine`)."""

    def specify(self, m: Module) -> None:
        pe = ProcessingElement(CONFIG)
        self.free_ports(pe)
        m.submodules.pe = inside = Inside(pe)
        self.assume(
            m,
            ~pe.take | (pe.ready & (pe.column + 1 < SPARSE.pointers)),
            # Pointers count from another row only after all is forgotten.
            past(m, pe.clear, "clear") | (pe.entry_row == past(m, pe.entry_row, "entry_row")),
        )
        # Of what follows a fault nothing is claimed: the engine stops.
        self.told, self.ends = Signal(name="told"), Signal(name="ends")
        m.d.comb += self.ends.eq(self.told | pe.fault)
        m.d.sync += self.told.eq(self.ends)
        causes = [self._columns(m, inside), self._rows(m, pe, inside), self._sums(m, pe, inside)]
        for name, cause in zip(("column", "row", "sum"), causes, strict=True):
            self.check(m, f"{name}.is_told", ~cause | self.ends)
        self.check(m, "fault.has_a_cause", ~pe.fault | self.told | Cat(causes).any())
        self._pointers(m, inside)
        self._codes(m, pe, inside)

    def _pointers(self, m: Module, inside: Inside) -> None:
        """Column c begins at pointer c and ends at pointer c + 1, each from its bank."""
        column = inside["column_0"]
        banks = [inside.read(f"pointers_{odd}") for odd in range(2)]
        looked_up = data.View(COLUMN, inside["column"])
        for which, place in (("start", column), ("end", column + 1)):
            exact = Signal(WIDE, name=f"pointer_of_{which}")
            m.d.comb += exact.eq(place)
            odd = exact[0]
            reads, address = Mux(odd, banks[1].en, banks[0].en), Mux(odd, banks[1].address, banks[0].address)
            right = (exact < SPARSE.pointers) & (exact[1:] == address)
            self.check(m, f"{which}.in_pointers", ~reads | right)
            # What lies there is the column's, however long it waits.
            stored = [inside.row(m, f"pointers_{k}", exact[1:]) for k in range(2)]
            found = Signal(POINTER, name=f"found_{which}")
            with m.If(reads):
                m.d.sync += found.eq(Mux(odd, stored[1], stored[0]))
            self.check(m, f"{which}.is_of_column", ~inside["looked_up"] | (looked_up[which] == found))
        self.lemma(m, "waiting", ~inside["waiting"] | (column + 1 < SPARSE.pointers))

    def _columns(self, m: Module, inside: Inside) -> Value:
        """The walk stays between start and end. Returns what must be told now: a column ended before it began."""
        looked_up, now = data.View(COLUMN, inside["column"]), data.View(COLUMN, inside["now"])
        backwards = past(m, inside["looked_up"] & (looked_up.start > looked_up.end), "backwards")
        self.lemma(m, "backwards", inside["_pointer_fault"] == backwards)
        self.check(m, "walk.in_column", ~inside["active"] | self.ends | (now.start < now.end))

        def forwards(column: Value) -> Value:
            view = data.View(COLUMN, column)
            return self.ends | backwards | (view.start < view.end)

        self.lemma(m, "following", ~inside["waits"] | forwards(inside["following"]))
        head, tail, count, depth = inside["head"], inside["tail"], inside["count"], SPARSE.fifo_depth
        self.lemma(m, "count", (count <= depth) & (inside["waits"] | (count == 0)))
        self.lemma(m, "ends_of_queue", (head < depth) & (tail < depth) & (wrapped(head + count, depth) == tail))
        for number in range(depth):
            place, behind = Signal(range(depth)), Signal(range(2 * depth))
            m.d.comb += [place.eq(number), behind.eq(wrapped(number + depth - head, depth))]
            self.lemma(m, f"queued_{number}", (behind >= count) | forwards(inside.row(m, "fifo", place)))
        return past(m, backwards, "backwards_2")

    def _rows(self, m: Module, pe: ProcessingElement, inside: Inside) -> Value:
        """An entry is of the row that it lies in. Returns what must be told now: a row was read that is not there."""
        exact, brought = Signal(WIDE, name="exact_row"), Signal(WIDE, name="row_brought")
        now, read = data.View(COLUMN, inside["now"]), inside.read("spmat")
        m.d.comb += exact.eq(pe.entry_row + now.start[pe.slot_bits :])
        with m.If(read.en):
            m.d.sync += brought.eq(exact)
        outside = past(m, read.en & (exact >= ROWS), "row_outside")
        self.check(m, "row.in_spmat", ~read.en | (exact >= ROWS) | (read.address == exact))
        its_row = past(m, exact, "its_row")
        self.check(m, "row.is_of_entry", ~inside["entry"][0] | (brought == its_row))
        self.lemma(m, "row.held", ~inside["holds"] | (brought == pe.entry_row + inside["held"]))
        self.lemma(m, "row.outside", inside["_row_fault"] == outside)
        self.lemma(m, "row.there", ~inside["holds"] | self.ends | outside | (brought < ROWS))
        # Nothing is added of a row that is not there before it is told.
        row_2, row_3 = past(m, brought, "row_2"), past(m, past(m, brought, "row_of_last"), "row_3")
        self.lemma(m, "row.multiplied", ~inside["mac_2"] | self.ends | (row_2 < ROWS))
        self.check(m, "row.added", ~inside["mac_3"] | self.told | (row_3 < ROWS))
        return past(m, outside, "row_outside_2")

    def _codes(self, m: Module, pe: ProcessingElement, inside: Inside) -> None:
        """A weight is that of its code in its table."""
        read = inside.read("codebook")
        exact = Signal(WIDE, name="exact_code")
        code = inside["here"][: SPARSE.code_bits]
        m.d.comb += exact.eq((pe.table << SPARSE.code_bits) + code)
        right = (exact < SPARSE.tables << SPARSE.code_bits) & (read.address == exact)
        self.check(m, "code.in_codebook", ~read.en | right)

    def _sums(self, m: Module, pe: ProcessingElement, inside: Inside) -> Value:
        """Every sum that is read or written is the one meant. Returns what must be told now: one is not there."""
        entry = inside["entry"]
        run = inside["here"][SPARSE.code_bits :]
        place, after = Signal(WIDE, name="exact_place"), Signal(WIDE, name="after_the_last")
        m.d.comb += place.eq(Mux(entry[1], entry[-pe.sum_bits :], after) + run)
        with m.If(entry[0]):
            m.d.sync += after.eq(place + 1)
        outside = entry[0] & (place >= SPARSE.accumulators)
        is_told = past(m, outside, "sum_outside")
        self.lemma(m, "sum.after", self.ends | (after <= SPARSE.accumulators) & (inside["behind"] == after))

        place_2, place_3 = past(m, place, "place_2"), past(m, past(m, place, "place_of_last"), "place_3")
        drain = past(m, pe.drain_address, "drain")
        meant = (place_2 < SPARSE.accumulators) & (inside["place_2"] == place_2)
        self.lemma(m, "sum.meant", ~inside["mac_2"] | self.ends | meant)
        meant = (place_3 < SPARSE.accumulators) & (inside["place_3"] == place_3)
        self.lemma(m, "sum.meant_still", ~inside["mac_3"] | self.told | meant)
        for half in range(2):
            read, write = inside.read(f"sums_{half}"), inside.write(f"sums_{half}")
            adds = inside["mac_2"] & (pe.half == half)
            meant = (place_2 < SPARSE.accumulators) & (read.address == place_2)
            right = Mux(adds, meant | self.ends, read.address == pe.drain_address)
            self.check(m, f"sum_{half}.read", ~read.en | right)
            # A sum is never changed before it is told that it is another one than was meant.
            meant = (place_3 < SPARSE.accumulators) & (write.address == place_3)
            zeroed = Mux(pe.zero_en, pe.zero_address, drain)
            right = Mux(inside[f"adds_{half}"], meant | self.told, write.address == zeroed)
            self.check(m, f"sum_{half}.write", ~write.en | right)
        self.reach(m, "sum.last", inside["mac_3"] & ~self.told & (place_3 == SPARSE.accumulators - 1))
        return is_told


def test_a_pe_stays_within_its_memories_or_tells(prove):
    prove(AddressSpec(), depth=3)


@pytest.mark.slow
def test_the_proof_reaches_the_last_sum(reach):
    reach(AddressSpec(), depth=10)


BUGS = [
    Bug("a row too far", ProcessingElement, "place >= self.rows", "place > self.rows", ("row.is_told",)),
    Bug("does not look at sums", ProcessingElement, "(entry.valid & place[self.sum_bits :].any())", "0",
        ("sum.is_told", "sum_0.read", "sum_1.read")),
    Bug("sums twice as many", ProcessingElement, "place[self.sum_bits :].any()", "place[self.sum_bits + 1 :].any()",
        ("sum.is_told", "sum_0.read", "sum_1.read")),
    Bug("a column without an end", ProcessingElement, "column.start > column.end", "0", ("column.is_told",)),
    Bug("both pointers in one row", ProcessingElement, "column_0[1:] + (column_0[0] if not odd else 0)",
        "column_0[1:]", ("end.in_pointers",)),
    Bug("keeps a row of the block before", ProcessingElement, "m.d.sync += holds.eq(0)", "pass", ("row.is_of_entry",)),
    Bug("the first table only", ProcessingElement, "Cat(code, self.table)", "code", ("code.in_codebook",)),
]  # fmt: skip


@pytest.mark.parametrize("bug", quick_first(BUGS), ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(AddressSpec, bug, 16)
