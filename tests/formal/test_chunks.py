"""The chunks that the scan looks at: as many are asked for as the queue has room for, and they stay in order."""

import pytest
from amaranth import Module, Signal

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.sparse.chunks import Chunks
from rtl.sparse.latency import CHUNK_QUEUE
from tests.formal.mutants import Bug
from tests.formal.order import Follower
from tests.formal.queues import wrapped
from tests.formal.spec import Inside, Spec, past

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(pes=1, lanes=1, pointers=64, accumulators=16, tables=1),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=1),
    bus=BusConfig(data_bytes=4),
)


class ChunksSpec(Spec):
    """The walk of any word over any memory, and a scan that takes chunks as it likes."""

    def specify(self, m: Module) -> None:
        chunks = Chunks(CONFIG)
        self.free_ports(chunks)
        m.submodules.chunks = inside = Inside(chunks)
        started = past(m, chunks.start, "start")
        word = past(m, chunks.word.as_value(), "word")
        settled = past(m, chunks.done & ~chunks.start, "done")
        self.assume(
            m,
            ~chunks.take | chunks.valid,
            ~chunks.clear,
            # A word is steady until all of it is read; the next one comes after that.
            chunks.start | settled | (chunks.word.as_value() == word),
            ~chunks.start | (settled & ~started),
        )
        used, count = inside["used"], inside["count"]
        head, tail = inside["head"], inside["tail"]
        flying = inside["meta_1"][0] + inside["meta_2"][0]
        kept = inside["kept"]
        seen = Follower(
            self, m, "chunks", push=kept, data=inside["arrived"], pop=chunks.take, out=chunks.chunk.as_value(),
            most=CHUNK_QUEUE,
        )  # fmt: skip
        self.check(m, "done.is_empty", ~chunks.done | (seen.level == 0))
        self.check(m, "kept.has_a_non_zero", ~chunks.valid | (chunks.chunk.mask != 0))
        self.lemma(m, "used", (used == count + flying) & (used <= CHUNK_QUEUE))
        self.lemma(m, "count", count == seen.level)
        self.lemma(
            m, "pointers", (head < CHUNK_QUEUE) & (tail < CHUNK_QUEUE) & (wrapped(head + count, CHUNK_QUEUE) == tail)
        )
        self._entries(m, inside, seen)

    def _entries(self, m: Module, inside: Inside, seen: Follower) -> None:
        head, count = inside["head"], inside["count"]
        place = Signal(range(2 * CHUNK_QUEUE))
        m.d.comb += place.eq(wrapped(head + seen.ahead, CHUNK_QUEUE))
        self.lemma(m, "kept", ~seen.inside | (inside.row(m, "queue", place) == seen.value))
        first = 8 * CONFIG.banks
        for number in range(CHUNK_QUEUE):
            behind, here = Signal(range(2 * CHUNK_QUEUE)), Signal(range(CHUNK_QUEUE))
            m.d.comb += [here.eq(number), behind.eq(wrapped(number + CHUNK_QUEUE - head, CHUNK_QUEUE))]
            row = inside.row(m, "queue", here)
            self.lemma(m, f"mask_{number}", (behind >= count) | (row[first : first + CONFIG.banks] != 0))


@pytest.mark.slow
def test_the_queue_of_chunks_has_room_for_what_is_read(prove):
    prove(ChunksSpec(), depth=3)


BUGS = [
    Bug("reads without room", Chunks, "walking & (used != CHUNK_QUEUE)", "walking",
        ("chunks.never_overflows", "chunks.in_order")),
    Bug("keeps zeros", Chunks, "kept.eq(meta_2.valid & arrived.mask.any())", "kept.eq(meta_2.valid)",
        ("kept.has_a_non_zero",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(ChunksSpec, bug, 16)
