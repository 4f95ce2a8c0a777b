"""What is emitted means the same in every simulator, or is refused."""

import re

import pytest
from amaranth import Module, Mux
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.cell import Cell, emit
from rtl.emission import EmissionError


class Ticket(data.Struct):
    fill: 1
    space: 2
    count: 4


class Decides(wiring.Component):
    """Chooses some bits of ``ticket`` by another bit of it, or by a signal that is not in it."""

    word: In(8)
    ticket: Out(Ticket)

    def __init__(self, *, by_itself: bool) -> None:
        self.by_itself = by_itself
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.ticket.fill.eq(self.word[0] ^ self.word[7])
        with m.If(self.ticket.fill if self.by_itself else self.word[0] ^ self.word[7]):
            m.d.comb += self.ticket.space.eq(3)
        with m.Else():
            m.d.comb += self.ticket.space.eq(self.word[1:3])
        return m


def test_a_process_that_reads_bits_of_what_it_drives_is_refused():
    with pytest.raises(
        EmissionError,
        match=r"^decides: a process reads bits of ticket and drives others "
        r"\(give the bits it reads a signal of their own\)$",
    ):
        emit(Decides(by_itself=True), "decides")


def test_the_same_by_a_signal_of_its_own_is_not():
    assert "module decides(" in emit(Decides(by_itself=False), "decides")


class Steady(wiring.Component):
    """A port of which some bits never change, and a memory of zeros."""

    word: In(8)
    ticket: Out(Ticket)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = mem = memory.Memory(shape=4, depth=16, init=[])
        m.submodules.table = table = memory.Memory(shape=4, depth=4, init=[0, 0, 7, 0])
        read, look = mem.read_port(), table.read_port(domain="comb")
        write = mem.write_port()
        m.d.comb += [write.addr.eq(self.word), write.data.eq(self.word >> 4), write.en.eq(1)]
        m.d.comb += [read.addr.eq(self.word), look.addr.eq(self.word), self.ticket.space.eq(2)]
        with m.If(self.word[7]):
            m.d.comb += self.ticket.count.eq(Mux(self.word[6], read.data, look.data))
        return m


def test_bits_that_never_change_are_driven_from_the_start():
    text = emit(Steady(), "steady")
    assert re.search(r"initial\n    ticket\[2:1\] = 2'h2;", text)
    assert not re.search(r"always @\*\n    \S+ = 2'h2;", text)


def test_a_memory_of_zeros_takes_one_loop():
    text = emit(Steady(), "steady")
    assert (
        "for (row_of_memory = 0; row_of_memory < 16; row_of_memory = row_of_memory + 1) memory[row_of_memory]" in text
    )
    assert "memory[1] =" not in text


def test_a_memory_of_anything_else_keeps_its_words():
    assert "table[2] = 4'h7;" in emit(Steady(), "steady").replace("\\table ", "table")


class Part(Cell):
    """A port of no bits, as an index into one of one."""

    def __init__(self) -> None:
        super().__init__((), {"index": In(0), "word": In(4), "next": Out(4), "same": Out(0)})

    def body(self) -> Module:
        m = Module()
        m.d.comb += [self.next.eq(self.word + self.index + 1), self.same.eq(self.index)]
        return m


class Whole(wiring.Component):
    word: In(4)
    next: Out(4)
    index: In(0)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.part = part = Part()
        m.d.comb += [part.index.eq(self.index), part.word.eq(self.word), self.next.eq(part.next)]
        return m


def test_a_signal_of_no_bits_is_left_out():
    text = emit(Whole(), "whole")
    assert "[-1:0]" not in text
    assert not re.search(r"\b(?:index|same)\b", text)
    assert re.findall(r"^  part part \(\n(.*?)^  \);", text, re.MULTILINE | re.DOTALL) == [
        "    .next(next),\n    .word(word)\n"
    ]


def test_the_text_does_not_name_the_tool_that_wrote_it():
    assert emit(Steady(), "steady").startswith("module steady(")
