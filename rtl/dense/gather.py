"""Activation read-out: the bytes of one vector, one per array row, from all banks of a scratchpad at once.

Element i of a vector lies at byte ``address + i + banks * words[i]``. Because the extra distance is a whole number of
words, element i is always in bank ``(address + i) mod banks``: no two elements share one, and a single rotation puts
them in order. The mapper chooses the row pitch of a tile so that the rows of a convolution window line up this way,
and a window of any size fills the array's rows without gaps.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out
from amaranth.utils import ceil_log2, exact_log2

from rtl.config import ArchConfig
from rtl.isa_layout import ADDRESS_BITS
from rtl.vectors import rotate_left, rotate_right

__all__ = ["Gather", "gather_ports"]


def gather_ports(config: ArchConfig) -> dict[str, Member]:
    """The gather ports of both activation scratchpads, seen from their reader."""
    return {
        name: Out(
            wiring.Signature(
                {"en": Out(1), "words": Out(config.banks * _word_bits(config, kib)), "data": In(8 * config.banks)}
            )
        )
        for name, kib in (("ifm", config.memory.ifm_kib), ("ofm", config.memory.ofm_kib))
    }


def _word_bits(config: ArchConfig, kib: int) -> int:
    return ceil_log2(kib * 1024 // config.banks)


class Gather(wiring.Component):
    """Address generation and alignment of activation vectors; three cycles from address to vector.

    Ports
    -----
    write_en, write_row, write_words
        Shadow: element ``write_row`` of the next tile lies that many words beyond its place.
    clear : In(1)
        Shadow: all elements lie in their places.
    valid, first, address, rows, from_ofm
        Read a vector of ``rows`` elements. ``first`` moves the shadow into use, for this vector and those behind it;
        it may be overwritten from the same cycle on.
    vector : Out(banks * 8)
        Three cycles later; elements from ``rows`` on are zero.
    fault : Out(1)
        An element is outside the scratchpad; two cycles after ``valid``.
    ifm, ofm
        Scratchpad gather ports.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        self.word_bits = max(_word_bits(config, config.memory.ifm_kib), _word_bits(config, config.memory.ofm_kib))
        super().__init__(
            {
                "write_en": In(1),
                "write_row": In(range(config.dense.rows)),
                "write_words": In(ADDRESS_BITS),
                "clear": In(1),
                "valid": In(1),
                "first": In(1),
                "address": In(ADDRESS_BITS + 2),
                "rows": In(range(config.banks + 1)),
                "from_ofm": In(1),
                "vector": Out(8 * config.banks),
                "fault": Out(1),
                **gather_ports(config),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, banks, width = self.config.dense.rows, self.config.banks, self.word_bits
        lanes = exact_log2(banks)

        shadow = Signal(rows * width)
        beyond = Signal(banks * width)
        with m.If(self.write_en):
            m.d.sync += shadow.word_select(self.write_row, width).eq(self.write_words)
        with m.If(self.clear):
            m.d.sync += shadow.eq(0)
        with m.If(self.first):
            m.d.sync += beyond.eq(shadow)

        # Cycle 1: the word that each bank reads.
        valid_1, ofm_1 = Signal(), Signal(name="ofm_1")
        address_1 = Signal(len(self.address))
        used_1 = Signal(banks)
        m.d.sync += valid_1.eq(self.valid)
        with m.If(self.valid):
            m.d.sync += [
                address_1.eq(self.address),
                ofm_1.eq(self.from_ofm),
                used_1.eq(Cat(j < self.rows for j in range(banks))),
            ]
        rotation = address_1[:lanes]
        beyond_of_bank = rotate_left(m, beyond, width, rotation, "beyond")
        used_banks = rotate_left(m, used_1, 1, rotation, "used")
        word = Signal(len(self.address) - lanes)
        after = Signal(len(word))
        m.d.comb += [word.eq(address_1[lanes:]), after.eq(word + 1)]
        words, outside = [], []
        for j in range(banks):
            of_bank = Signal(len(word) + 1, name=f"word_{j}")
            m.d.comb += of_bank.eq(Mux(j < rotation, after, word) + beyond_of_bank.word_select(j, width))
            words.append(of_bank)
            beyond_end = [
                of_bank[_word_bits(self.config, kib) :].any()
                for kib in (self.config.memory.ifm_kib, self.config.memory.ofm_kib)
            ]
            outside.append(used_banks[j] & Mux(ofm_1, beyond_end[1], beyond_end[0]))
        for port, mine in ((self.ifm, ~ofm_1), (self.ofm, ofm_1)):
            bits = len(port.words) // banks
            m.d.comb += [port.en.eq(valid_1 & mine), port.words.eq(Cat(w[:bits] for w in words))]

        # Cycle 2: the banks answer; put the elements in order.
        valid_2, ofm_2 = Signal(), Signal(name="ofm_2")
        rotation_2, used_2 = Signal(lanes), Signal(banks)
        m.d.sync += [valid_2.eq(valid_1), self.fault.eq(valid_1 & Cat(outside).any())]
        with m.If(valid_1):
            m.d.sync += [ofm_2.eq(ofm_1), rotation_2.eq(rotation), used_2.eq(used_1)]
        data = Signal(8 * banks)
        m.d.comb += data.eq(Mux(ofm_2, self.ofm.data, self.ifm.data))
        ordered = rotate_right(m, data, 8, rotation_2, "ordered")
        mask = Cat(used_2[j].replicate(8) for j in range(banks))
        with m.If(valid_2):
            m.d.sync += self.vector.eq(ordered & mask)
        return m
