"""The gather reads the bytes that it is asked for, or faults: no address wraps into the scratchpad."""

import pytest
from amaranth import Module, Mux, Signal, signed
from amaranth.utils import exact_log2

from rtl.config import ArchConfig, BusConfig, DenseConfig, MemoryConfig
from rtl.dense.gather import Gather
from rtl.isa_layout import ADDRESS_BITS
from tests.formal.mutants import Bug
from tests.formal.spec import Inside, Spec, anything, past

CONFIG = ArchConfig(
    dense=DenseConfig(rows=4, cols=2, depthwise_taps=0),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=2, weight_kib=1, param_kib=1, accumulators=16),
    bus=BusConfig(data_bytes=4),
)
BANKS, ROWS = CONFIG.banks, CONFIG.dense.rows
WIDE = 32
WORD_BITS = ADDRESS_BITS + 2 - exact_log2(BANKS)


class GatherSpec(Spec):
    """One element of the vectors, whichever, at any address."""

    def specify(self, m: Module) -> None:
        gather = Gather(CONFIG)
        self.free_ports(gather)
        m.submodules.gather = inside = Inside(gather)
        lane = anything(m, range(ROWS), "any_lane")
        # The loader faults before an element lies further than the larger scratchpad is long (see `test_loader`). It
        # may lie before its place, where offsets do not increase.
        words = gather.write_words[:WORD_BITS].as_signed()
        self.assume(m, words < 1 << gather.word_bits, gather.rows <= ROWS)
        # How many words the element lies beyond its place: of the next tile, and of this one.
        shadow, beyond = Signal(signed(WORD_BITS)), Signal(signed(WORD_BITS))
        with m.If(gather.write_en & (gather.write_row == lane)):
            m.d.sync += shadow.eq(words)
        with m.If(gather.clear):
            m.d.sync += shadow.eq(0)
        with m.If(gather.first):
            m.d.sync += beyond.eq(shadow)
        self.lemma(m, "shadow", inside["shadow"].word_select(lane, gather.word_bits) == shadow[: gather.word_bits])
        self.lemma(m, "beyond", inside["beyond"].word_select(lane, gather.word_bits) == beyond[: gather.word_bits])
        self.lemma(m, "near", (shadow < 1 << gather.word_bits) & (beyond < 1 << gather.word_bits))

        wanted = past(m, gather.valid & (lane < gather.rows), "wanted")
        asked = past(m, gather.address + lane, "asked")
        of_ofm = past(m, gather.from_ofm, "from_ofm")
        byte = Signal(signed(WIDE))
        size = Signal(WIDE)
        m.d.comb += [
            byte.eq(asked + (beyond << exact_log2(BANKS))),
            size.eq(Mux(of_ofm, CONFIG.memory.ofm_kib * 1024, CONFIG.memory.ifm_kib * 1024)),
        ]
        for port, mine, name in ((gather.ifm, ~of_ofm, "ifm"), (gather.ofm, of_ofm, "ofm")):
            bits = len(port.words) // BANKS
            read = port.words.word_select(byte[: exact_log2(BANKS)], bits)
            right = port.en & (read == byte[exact_log2(BANKS) :])
            self.check(m, f"{name}.byte", ~(wanted & mine) | (byte >= size) | (beyond < 0) | right)
        # No element lies before the scratchpad: it is an offset, which is none less than zero, from a pixel.
        self.assume(m, ~wanted | (byte >= 0))
        outside = past(m, wanted & ((byte >= size) | (beyond < 0)), "outside")
        self.check(m, "outside.is_told", ~outside | gather.fault)
        self.reach(m, "last_byte", wanted & (byte == size - 1))


def test_the_gather_reads_what_it_is_asked_for_or_faults(prove):
    prove(GatherSpec(), depth=3)


BUGS = [
    Bug("forgets the carry", Gather, "after.eq(word + 1)", "after.eq(word)", ("ifm.byte", "ofm.byte")),
    Bug("wraps at twice the size", Gather, "of_bank[_word_bits(self.config, kib) :]",
        "of_bank[_word_bits(self.config, kib) + 1 :]", ("outside.is_told",)),
    Bug("does not look at the last", Gather, "j < self.rows", "j + 1 < self.rows", ("outside.is_told",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(GatherSpec, bug, 6)
