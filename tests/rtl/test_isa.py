"""Instructions and their words: a round trip both ways, for every format and every value of every field."""

import dataclasses

import pytest
from amaranth.lib import data
from hypothesis import given
from hypothesis import strategies as st

from rtl.isa import (
    FORMATS,
    INSTRUCTION_BITS,
    INSTRUCTION_BYTES,
    End,
    Engine,
    Instruction,
    IsaError,
    Load,
    Opcode,
    PostConfig,
    Store,
    decode,
    encode,
    layout_of,
)
from rtl.isa_layout import HEADER, instruction_layout

KINDS = list(FORMATS.values())


def values(width: int, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    return st.sampled_from([low, high, 0]) | st.integers(low, high)


def instructions(kinds: list[type[Instruction]] = KINDS) -> st.SearchStrategy[Instruction]:
    def of(kind: type[Instruction]) -> st.SearchStrategy[Instruction]:
        return st.builds(kind, **{f.name: values(f.width, f.signed) for f in layout_of(kind)[1:]})

    return st.sampled_from(kinds).flatmap(of)


@given(instructions())
def test_decode_is_the_inverse_of_encode(instruction):
    word = encode(instruction)
    assert 0 <= word < 1 << INSTRUCTION_BITS
    assert decode(word) == instruction


@given(instructions())
def test_gateware_sees_the_same_fields(instruction):
    kind = type(instruction)
    view = data.Const(instruction_layout(kind), encode(instruction))
    for field in dataclasses.fields(kind):
        assert view[field.name] == getattr(instruction, field.name)
    assert view["opcode"] == kind.OPCODE


@given(instructions())
def test_the_header_is_the_same_in_every_format(instruction):
    header = data.Const(HEADER, encode(instruction))
    for name in ("layer", "wait", "signal"):
        assert header[name] == getattr(instruction, name)


@given(instructions(), st.data())
def test_a_value_that_does_not_fit_is_refused(instruction, draw):
    field = draw.draw(st.sampled_from(layout_of(type(instruction))[1:]))
    low, high = (-(1 << (field.width - 1)), 1 << (field.width - 1)) if field.signed else (0, 1 << field.width)
    value = draw.draw(st.sampled_from([low - 1, high, high + 1, -(1 << 300), 1 << 300]))
    wrong = dataclasses.replace(instruction, **{field.name: value})
    name = f"{type(instruction).__name__}.{field.name}"
    with pytest.raises(IsaError, match=rf"^{name} takes {low}\.\.{high - 1}; {value} does not fit$"):
        encode(wrong)


@given(instructions(), instructions())
def test_different_instructions_have_different_words(one, other):
    assert (encode(one) == encode(other)) == (one == other)


@pytest.mark.parametrize("opcode", sorted(set(range(16)) - set(Opcode)))
def test_unknown_opcodes(opcode):
    with pytest.raises(IsaError, match=rf"^unknown opcode {opcode}$"):
        decode(opcode | 1 << 255)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_fields_do_not_overlap_and_fit(kind):
    end = 0
    for field in layout_of(kind):
        assert field.offset == end
        end += field.width
    assert end <= INSTRUCTION_BITS


def test_every_opcode_has_a_format_and_every_engine_an_instruction():
    assert set(FORMATS) == set(Opcode)
    assert {kind.ENGINE for kind in KINDS} == {None, *Engine}
    assert [kind for kind in KINDS if kind.ENGINE is None] == [End]


def test_a_word_of_zeros_is_no_instruction():
    """Memory that nobody wrote must not run."""
    with pytest.raises(IsaError, match=r"^unknown opcode 0$"):
        decode(0)


@pytest.mark.parametrize(
    ("instruction", "word"),
    [
        pytest.param(End(layer=0xABC, wait=5, signal=10), 0xA5ABC1, id="END"),
        pytest.param(
            Load(space=2, dram=0x89ABCDEF, spad=0x123456, rows=7, row_bytes=3, dram_stride=1, spad_stride=2),
            2 | 2 << 24 | 0x89ABCDEF << 27 | 0x123456 << 59 | 7 << 83 | 3 << 99 | 1 << 119 | 2 << 147,
            id="LOAD",
        ),
        pytest.param(
            PostConfig(zero_point=-1, low=0, high=0), 6 | 0xFF << 24 | 1 << 120 | 0x7F80 << 125, id="negative"
        ),
    ],
)
def test_words_stay_what_they_are(instruction, word):
    """Programs that were compiled once still run."""
    assert encode(instruction) == word


def test_a_word_is_a_whole_number_of_every_beat():
    assert INSTRUCTION_BYTES == 32
    assert encode(Store(spad=0, rows=1, row_bytes=1, spad_stride=0, dram=0, dram_stride=0)) & 0xF == Opcode.STORE
