"""The loader of the dense array, fed any words: weights are read where there are some, or it faults."""

import pytest
from amaranth import Module, Signal
from amaranth.utils import exact_log2

from rtl.config import ArchConfig, BusConfig, DenseConfig, MemoryConfig
from rtl.dense.loader import WIDE, Loader
from tests.formal.mutants import Bug
from tests.formal.spec import Inside, Spec

CONFIG = ArchConfig(
    dense=DenseConfig(rows=4, cols=2, depthwise_taps=2),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=2, weight_kib=1, param_kib=1, accumulators=16),
    bus=BusConfig(data_bytes=4),
)
WEIGHT_BYTES = CONFIG.memory.weight_kib * 1024
LARGER = max(CONFIG.memory.ifm_kib, CONFIG.memory.ofm_kib) * 1024
LANES = exact_log2(CONFIG.banks)


class LoaderSpec(Spec):
    """The loader between any words and an array that takes tiles as it likes, until it faults or is halted."""

    def specify(self, m: Module) -> None:
        loader = Loader(CONFIG)
        self.free_ports(loader)
        m.submodules.loader = inside = Inside(loader)
        self.assume(m, ~loader.take | loader.tile.ready)
        told, ends = Signal(name="told"), Signal(name="ends")
        m.d.comb += ends.eq(told | loader.halt | (loader.fault != 0))
        m.d.sync += told.eq(ends)
        row, filters = loader.row, loader.word.filters
        walks = row.en & ~ends
        self.check(m, "weights.in_scratchpad", ~walks | (row.address + filters <= WEIGHT_BYTES))
        # What the proof of the gather takes for granted.
        beyond = loader.gather_words[: WIDE - LANES].as_signed()
        self.check(m, "gather.words_fit", ~(loader.gather_write & ~ends) | (beyond < LARGER >> LANES))
        self.reach(m, "weights.last_byte", walks & (row.address + filters == WEIGHT_BYTES) & (row.index != 0))

        index, expected = row.index, inside["expected"]
        self.lemma(m, "row.only_while_loading", told | row.en | (index == 0))
        self.lemma(m, "expected", told | (index == 0) | ((expected - index)[:WIDE] < LARGER))


def test_weights_are_read_within_their_scratchpad_or_it_is_told(prove):
    prove(LoaderSpec(), depth=3)


@pytest.mark.slow
def test_the_proof_reaches_the_last_byte(reach):
    reach(LoaderSpec(), depth=8)


BUGS = [
    Bug("the first byte only", Loader, "(address + w.filters > memory", "(address > memory",
        ("weights.in_scratchpad",)),
    Bug("does not look at offsets", Loader, "loading & (offset >= max", "~loading & (offset >= max",
        ("gather.words_fit",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(LoaderSpec, bug, 10)
