"""The chunks of a SPARSE are the bytes, columns and sums that its word names, or it is told that there are none.

The scratchpads differ in size, and all sizes are powers of two: the specification computes every address wider than any
of the engine's own, so that one that wraps is not the one that was meant.
"""

import pytest
from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.utils import exact_log2

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.isa import Space
from rtl.isa_layout import ADDRESS_BITS
from rtl.sparse.chunks import Chunks, chunk_layout
from rtl.sparse.latency import CHUNK_QUEUE
from tests.formal.mutants import Bug
from tests.formal.queues import wrapped
from tests.formal.spec import Inside, Spec, anything, past

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(pes=1, lanes=1, pointers=64, accumulators=16, tables=2),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=2),
    bus=BusConfig(data_bytes=4),
)
BANKS, SPARSE = CONFIG.banks, CONFIG.sparse
SIZES = {"ifm": CONFIG.memory.ifm_kib * 1024, "ofm": CONFIG.memory.ofm_kib * 1024}
WIDE = ADDRESS_BITS + 6
"""No sum of an address and four offsets wraps before it is told that they lie outside."""
NEAR = 1 << (ADDRESS_BITS + 1)
"""What is read lies in a scratchpad; what comes next is at most a stride from it."""
INDEX = data.StructLayout({"count": range(BANKS + 1), "column": 17, "first_sum": 14})


class ChunkAddressSpec(Spec):
    """The walk of any word over any memory, and a scan that takes chunks as it likes."""

    def specify(self, m: Module) -> None:
        chunks = Chunks(CONFIG)
        self.free_ports(chunks)
        m.submodules.chunks = inside = Inside(chunks)
        started, word = past(m, chunks.start, "start"), past(m, chunks.word.as_value(), "word")
        settled = past(m, chunks.done & ~chunks.start, "done")
        self.assume(
            m,
            ~chunks.take | chunks.valid,
            chunks.start | settled | (chunks.word.as_value() == word),
            ~chunks.start | (settled & ~started),
        )
        self.lane = anything(m, range(BANKS), "any_lane")
        # Of what is read after a fault, until the halt, nothing is claimed.
        self.told, self.ends = Signal(name="told"), Signal(name="ends")
        m.d.comb += self.ends.eq(self.told | chunks.clear | (chunks.fault != 0))
        m.d.sync += self.told.eq(self.ends)
        self._walk(m, chunks, inside)
        self._is_told(m, chunks, inside)
        self._bytes(m, chunks, inside)
        self._indices(m, chunks, inside)

    def _walk(self, m: Module, chunks: Chunks, inside: Inside) -> None:
        """The loops of the instruction set: x and y, the taps i and j, the run c; and how far each has come."""
        w, request = chunks.word, inside["_request"]
        count = {name: Signal(17, name=f"exact_{name}") for name in "cijxy"}
        far = {name: Signal(WIDE, name=f"far_{name}") for name in "ijxy"}
        self.column, self.sum = Signal(WIDE, name="exact_column"), Signal(WIDE, name="exact_sum")
        self.bytes = Signal(range(BANKS + 1), name="exact_bytes")
        left = Signal(17, name="exact_left")
        m.d.comb += [left.eq(w.run - count["c"]), self.bytes.eq(Mux(left < BANKS, left, BANKS))]
        low = exact_log2(SPARSE.accumulators)
        self.first_sum = w.acc & ~(1 << low)
        with m.If(request):
            m.d.sync += [count["c"].eq(count["c"] + BANKS), self.column.eq(self.column + self.bytes)]
            inner: Value = left <= BANKS
            for name, length, stride, faster in (
                ("i", w.kx, w.kx_stride, "c"), ("j", w.ky, w.ky_stride, "i"), ("x", w.out_w, w.x_stride, "j"),
                ("y", w.out_h, w.y_stride, "x"),
            ):  # fmt: skip
                with m.If(inner):
                    m.d.sync += [count[name].eq(count[name] + 1), far[name].eq(far[name] + stride), count[faster].eq(0)]
                    if faster in far:
                        m.d.sync += far[faster].eq(0)
                    if name == "x":
                        m.d.sync += [self.column.eq(w.column), self.sum.eq(self.sum + w.acc_stride)]
                inner = inner & (count[name] + 1 == length)
        with m.If(chunks.start):
            m.d.sync += [offset.eq(0) for offset in (*count.values(), *far.values())]
            m.d.sync += [self.column.eq(w.column), self.sum.eq(self.first_sum)]
        self.byte = Signal(WIDE, name="exact_byte")
        m.d.comb += self.byte.eq(w.act + sum(far.values(), count["c"]))

        walks = inside["walking"] & ~self.told
        size = Mux(w.source == Space.OFM, SIZES["ofm"], SIZES["ifm"])
        self.size = size
        near = self.byte < NEAR
        for offset in (*far.values(), count["c"]):
            near &= offset < NEAR
        self.lemma(m, "near", ~walks | near)
        self.lemma(m, "loops", ~walks | self._same_loops(w, inside, count, left))
        place = w.act + far["y"]
        for name, offset in (("vector_row", 0), ("vector", far["x"]), ("tap_row", far["j"]), ("tap", far["i"])):
            place = place + offset
            self.lemma(m, name, ~walks | (inside[name] == place))
        self.lemma(m, "address", ~walks | (chunks._address == self.byte))
        self.lemma(m, "indices", ~walks | ((chunks._column == self.column) & (chunks._sum == self.sum)))

    def _same_loops(self, word: data.View, inside: Inside, count: dict[str, Signal], left: Signal) -> Value:
        same = (inside["left"] == left) & (left != 0)
        for name, length in (("i", word.kx), ("j", word.ky), ("x", word.out_w), ("y", word.out_h)):
            same &= (inside[name] == count[name]) & (count[name] < length)
        return same

    def _is_told(self, m: Module, chunks: Chunks, inside: Inside) -> None:
        """Whatever is not there is told in the cycle in which it is asked for."""
        asks, fault = inside["_request"] & ~self.told, chunks.fault != 0
        self.check(m, "byte.is_told", ~asks | (self.byte + self.bytes <= self.size) | fault)
        self.check(m, "pointer.is_told", ~asks | (self.column + self.bytes < SPARSE.pointers) | fault)
        self.check(m, "sum.is_told", ~asks | (self.sum < SPARSE.accumulators) | fault)
        w = chunks.word
        self.check(m, "half.is_told", ~chunks.start | (self.first_sum < SPARSE.accumulators) | fault)
        self.check(m, "table.is_told", ~chunks.start | (w.table < SPARSE.tables) | fault)
        self.check(m, "source.is_told", ~chunks.start | (w.source <= Space.OFM) | fault)
        last = (self.column + self.bytes == SPARSE.pointers - 1) & (self.byte + self.bytes == SIZES["ofm"])
        self.reach(m, "last_byte_and_column", asks & ~fault & (w.source == Space.OFM) & last)

    def _bytes(self, m: Module, chunks: Chunks, inside: Inside) -> None:
        """Each byte of a chunk is the one that lies where it is meant to."""
        w = chunks.word
        byte, bank = Signal(WIDE, name="byte_of_lane"), Signal(range(BANKS), name="bank_of_lane")
        m.d.comb += [byte.eq(self.byte + self.lane), bank.eq(byte)]
        wanted = inside["_request"] & (self.lane < self.bytes)
        from_ofm = w.source == Space.OFM
        for name, port, mine in (("ifm", chunks.ifm, ~from_ofm), ("ofm", chunks.ofm, from_ofm)):
            read = port.words.word_select(bank, len(port.words) // BANKS)
            right = port.en & (read == byte[exact_log2(BANKS) :]) & (byte < SIZES[name])
            self.check(m, f"{name}.byte", ~(wanted & mine) | self.ends | right)
        answer = Mux(from_ofm, chunks.ofm.data, chunks.ifm.data).word_select(past(m, bank, "bank"), 8)
        arrived = data.View(chunk_layout(CONFIG), inside["arrived"])
        is_wanted = past(m, past(m, wanted, "wanted"), "wanted_2")
        found = past(m, answer, "answer")
        came = inside["meta_2"][0] & ~self.told
        self.check(m, "chunk.byte", ~(came & is_wanted) | (arrived.bytes.word_select(self.lane, 8) == found))
        counts = is_wanted & (found != w.zero_point.as_unsigned())
        self.check(m, "chunk.mask", ~came | (arrived.mask.bit_select(self.lane, 1) == counts))

    def _indices(self, m: Module, chunks: Chunks, inside: Inside) -> None:
        """A chunk comes with its column and its sum, and each column in it has both its pointers."""
        asked = inside["_request"]
        values = {"count": self.bytes, "column": self.column, "first_sum": self.sum}
        for stage in ("meta_1", "meta_2"):
            asked = past(m, asked, f"asked_{stage}")
            values = {name: past(m, value, f"{name}_{stage}") for name, value in values.items()}
            meta = data.View(INDEX, inside[stage][1:])
            same = (meta.count == values["count"]) & (meta.column == values["column"])
            same &= (meta.first_sum == values["first_sum"]) & (values["first_sum"] < SPARSE.accumulators)
            same &= values["column"] + values["count"] < SPARSE.pointers
            self.lemma(m, stage, self.told | ((inside[stage][0] == asked) & (~asked | same)))
        arrived = data.View(chunk_layout(CONFIG), inside["arrived"])
        right = (arrived.column == values["column"]) & (arrived.first_sum == values["first_sum"])
        self.check(m, "chunk.indices", ~inside["kept"] | self.told | right)

        def has_pointers(chunk: data.View) -> Value:
            counts = chunk.mask.bit_select(self.lane, 1)
            return self.told | ~counts | (chunk.column + self.lane + 1 < SPARSE.pointers)

        self.check(m, "chunk.has_pointers", ~chunks.valid | has_pointers(chunks.chunk))
        head, count = inside["head"], inside["count"]
        room = (inside["used"] == count + inside["meta_1"][0] + inside["meta_2"][0]) & (inside["used"] <= CHUNK_QUEUE)
        self.lemma(m, "used", self.told | room)
        self.lemma(m, "queue", self.told | (wrapped(head + count, CHUNK_QUEUE) == inside["tail"]))
        for number in range(CHUNK_QUEUE):
            place, behind = Signal(range(CHUNK_QUEUE)), Signal(range(2 * CHUNK_QUEUE))
            m.d.comb += [place.eq(number), behind.eq(wrapped(number + CHUNK_QUEUE - head, CHUNK_QUEUE))]
            row = data.View(chunk_layout(CONFIG), inside.row(m, "queue", place))
            self.lemma(m, f"queue_{number}", (behind >= count) | has_pointers(row))


@pytest.mark.slow
def test_chunks_are_what_the_word_names_or_it_is_told(prove):
    prove(ChunkAddressSpec(), depth=3)


@pytest.mark.slow
def test_the_proof_reaches_the_last_byte_and_column(reach):
    reach(ChunkAddressSpec(), depth=8)


BUGS = [
    Bug("the first byte only", Chunks, "self._address + self._count > size", "self._address > size",
        ("byte.is_told", "ifm.byte", "ofm.byte")),
    Bug("wraps at four times the size", Chunks, "self._address, self._column, self._sum = Signal(_WIDE)",
        "self._address, self._column, self._sum = Signal(12)", ("byte.is_told", "ifm.byte", "ofm.byte")),
    Bug("forgets the carry", Chunks, "after.eq(word + 1)", "after.eq(word)", ("ifm.byte", "ofm.byte")),
    Bug("the last column has no end", Chunks, "self._count >= sparse.pointers", "self._count > sparse.pointers",
        ("pointer.is_told",)),
    Bug("a sum too many", Chunks, "self._sum >= sparse.accumulators", "self._sum > sparse.accumulators",
        ("sum.is_told",)),
    Bug("a third half", Chunks, "exact_log2(sparse.accumulators) + 1 :].any()",
        "exact_log2(sparse.accumulators) + 2 :].any()", ("half.is_told",)),
    Bug("a table too many", Chunks, "w.table >= sparse.tables", "w.table > sparse.tables", ("table.is_told",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(ChunkAddressSpec, bug, 10)
