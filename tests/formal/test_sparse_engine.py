"""The zero-skipping engine between its parts: each has what its proof takes for granted, and is heard when it tells.

What is read from a vector is in `test_chunk_addresses`, the memories of a PE are in `test_pe_addresses`.
"""

import pytest
from amaranth import Cat, Module, Signal
from amaranth.lib import data

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.isa import Sparse
from rtl.isa_layout import instruction_layout
from rtl.sparse.engine import SparseEngine, drain_layout
from tests.formal.mutants import Bug
from tests.formal.spec import Inside, Spec, anything, past

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(
        pes=2, lanes=1, fifo_depth=2, row_bytes=4, spmat_kib=1, pointers=16, accumulators=4, tables=2, index_bits=4
    ),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=1),
    bus=BusConfig(data_bytes=4),
)
SPARSE = CONFIG.sparse


class EngineSpec(Spec):
    """The engine between any instructions, any data and any drain, until it is halted."""

    def specify(self, m: Module) -> None:
        engine = SparseEngine(CONFIG)
        self.free_ports(engine)
        m.submodules.engine = inside = Inside(engine)
        port = engine.engine
        drain = data.View(drain_layout(CONFIG), engine.drain)
        self.assume(
            m,
            # A fault halts, and a halt lasts until the reset that begins the next run.
            ~past(m, port.halt | (port.fault != 0), "stopped") | port.halt,
            # Sums are drained when there are any (see `test_sparse_post`).
            ~drain.valid | engine.zeroed,
        )
        self.told, self.ends = Signal(name="told"), Signal(name="ends")
        m.d.comb += self.ends.eq(self.told | port.halt | (port.fault != 0))
        m.d.sync += self.told.eq(self.ends)
        self._faults(m, engine, inside, drain)
        self._fields(m, engine, inside)
        self._idle(m, engine, inside)
        self._drains(m, engine, drain)
        self._zeroes(m, engine)

    def _faults(self, m: Module, engine: SparseEngine, inside: Inside, drain: data.View) -> None:
        """Whatever a part tells is told, before the instruction retires, and before a sum of it is changed."""
        fault = engine.engine.fault != 0
        chunks = engine._chunks
        self.check(m, "chunks.is_heard", (chunks.fault == 0) | self.ends)
        in_use = drain.valid & engine._running & (drain.half == engine._half)
        self.check(m, "clash.is_heard", ~in_use | self.ends)
        retires = engine.engine.retire.valid
        for p, pe in enumerate(engine._pes):
            heard = past(m, pe.fault, f"fault_{p}")
            self.check(m, f"pe_{p}.is_heard", ~heard | fault | engine.engine.halt)
            to_come = heard | pe.fault | inside[f"pe_{p}._pointer_fault"] | inside[f"pe_{p}._row_fault"]
            self.check(m, f"pe_{p}.tells_before_it_retires", ~retires | ~to_come)

    def _fields(self, m: Module, engine: SparseEngine, inside: Inside) -> None:
        """A PE sees the fields of its instruction, and others only when it has forgotten all of the one before."""
        word = data.View(instruction_layout(Sparse), engine._word)
        low = len(engine._pes[0].first_sum)
        row, table, half = Signal(16, name="its_row"), Signal(4, name="its_table"), Signal(name="its_half")
        with m.If(engine._hand_over):
            m.d.sync += [row.eq(word.entry), table.eq(word.table), half.eq(word.acc[low])]
        self.lemma(m, "word.in_a_table", ~engine._active | engine._start | self.told | (word.table < SPARSE.tables))
        self.lemma(m, "running.in_a_table", ~engine._running | self.told | (table < SPARSE.tables))
        for p, pe in enumerate(engine._pes):
            exact = (pe.entry_row == row) & (pe.table == table) & (pe.half == half) & (table < SPARSE.tables)
            self.check(m, f"pe_{p}.fields", ~engine._running | self.told | exact)
            same = pe.entry_row == past(m, pe.entry_row, f"entry_row_{p}")
            self.check(m, f"pe_{p}.counts_from_one_row", past(m, pe.clear, f"clear_{p}") | same)
            busy, same = past(m, pe.busy, f"busy_{p}"), pe.half == past(m, pe.half, f"half_{p}")
            self.check(m, f"pe_{p}.one_half_while_busy", ~busy | same)
            self.check(m, f"pe_{p}.takes_when_ready", ~pe.take | pe.ready)
            zeroes = pe.zero_en & (pe.busy | pe.take | pe.drain_en)
            self.check(m, f"pe_{p}.zeroes_when_idle", ~zeroes)

    def _idle(self, m: Module, engine: SparseEngine, inside: Inside) -> None:
        """PEs work for the instruction that has them, and for none when none has."""
        running = engine._running
        self.lemma(m, "running", (~engine._mine | (running & engine._active)) & (engine.zeroed | ~engine._active))
        settling, settled, busy = engine._settling, engine._settled, engine._busy
        self.lemma(m, "settling", (running == (engine._mine | settling)) & ~(engine._mine & settling))
        self.lemma(m, "settled", ~settled | settling)
        for p, pe in enumerate(engine._pes):
            self.lemma(m, f"pe_{p}.idle", running | ~pe.busy)
            self.lemma(m, f"pe_{p}.queue", inside[f"pe_{p}.waits"] | (inside[f"pe_{p}.count"] == 0))
            self.lemma(m, f"pe_{p}.busy", busy | ~settled | ~pe.busy)

    def _drains(self, m: Module, engine: SparseEngine, drain: data.View) -> None:
        """The PEs of the group are read, and only they; what they answer comes two cycles later."""
        for p, pe in enumerate(engine._pes):
            mine = drain.valid & (drain.group == p // SPARSE.lanes)
            same = (pe.drain_address == drain.address) & (pe.drain_half == drain.half)
            self.check(m, f"pe_{p}.drained", (pe.drain_en == mine) & (~mine | same))
            asked = past(m, mine, f"asked_{p}")
            answer = past(m, pe.drain_data, f"answer_{p}")
            lane = engine.sums.word_select(p % SPARSE.lanes, 32)
            self.check(m, f"pe_{p}.answers", ~past(m, asked, f"asked_{p}_2") | (lane == answer.as_unsigned()))

    def _zeroes(self, m: Module, engine: SparseEngine) -> None:
        """Every sum, whichever, has been zeroed when it is said that all are."""
        place = anything(m, range(SPARSE.accumulators), "any_sum")
        sweep = engine._pes[0].zero_address
        done = Signal(name="zeroed_it")
        zeroes = Cat(pe.zero_en & (pe.zero_address == place) for pe in engine._pes).all()
        with m.If(zeroes):
            m.d.sync += done.eq(1)
        self.check(m, "all_are_zeroed", ~engine.zeroed | done)
        self.lemma(m, "sweep", engine.zeroed | done | (sweep <= place))
        self.reach(m, "retires_with_sums", engine.engine.retire.valid & ~self.told)


def test_the_parts_of_the_engine_have_what_they_take_for_granted(prove):
    prove(EngineSpec(), depth=4)


@pytest.mark.slow
def test_the_proof_reaches_a_retirement(reach):
    reach(EngineSpec(), depth=20)


BUGS = [
    Bug("a sum is not zeroed", SparseEngine, "self.config.sparse.accumulators - 1",
        "self.config.sparse.accumulators - 2", ("all_are_zeroed",)),
    Bug("keeps the row of before", SparseEngine, "clear.eq(self._hand_over | e.halt)", "clear.eq(e.halt)",
        ("pe_0.counts_from_one_row", "pe_1.counts_from_one_row")),
    Bug("drains what is in use", SparseEngine, "self._running & (self.drain.half == self._half)", "0",
        ("clash.is_heard",)),
    Bug("drains all groups", SparseEngine, "drain.valid & (drain.group == p // sparse.lanes)", "drain.valid",
        ("pe_0.drained", "pe_1.drained")),
    Bug("hears one PE only", SparseEngine, "lost.eq(Cat(pe.fault for pe in self._pes).any())",
        "lost.eq(self._pes[0].fault)", ("pe_1.is_heard",)),
    Bug("retires too soon", SparseEngine, "self._settled & ~self._busy & ~e.halt", "self._settled & ~e.halt",
        ("pe_0.tells_before_it_retires", "pe_1.tells_before_it_retires")),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(EngineSpec, bug, 24)
