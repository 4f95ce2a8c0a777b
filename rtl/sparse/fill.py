"""Where loaded beats go: rows, pointers and codes of the PEs, as :mod:`rtl.sparse.layout` places them."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal
from amaranth.lib.wiring import PureInterface
from amaranth.utils import exact_log2

from rtl.config import ArchConfig
from rtl.isa import Space
from rtl.sparse.layout import CODEBOOK_VALUE_BYTES, POINTER_BYTES, SparseLayout
from rtl.sparse.pe import ProcessingElement

__all__ = ["fill_memories"]


def fill_memories(m: Module, config: ArchConfig, write: PureInterface, pes: Sequence[ProcessingElement]) -> None:
    """Lead every beat of ``write``, a cycle later, to the memories of ``pes`` that it is for."""
    beat = config.bus.data_bytes
    layout = SparseLayout(config)
    here = {space: Signal(name=f"fills_{space.name.lower()}") for space in (Space.SPMAT, Space.POINTER, Space.CODEBOOK)}
    address, word = Signal.like(write.address, name="fill_address"), Signal(8 * beat, name="fill_word")
    for space, signal in here.items():
        m.d.sync += signal.eq(write.en & (write.space == space))
    with m.If(write.en):
        m.d.sync += [address.eq(write.address), word.eq(write.data)]

    for p, pe in enumerate(pes):
        row = config.sparse.row_bytes
        parts = [_lands(address, word, layout.row_stride, p * row + k * beat, beat, min(row, beat))
                 for k in range(pe.parts)]  # fmt: skip
        enable, data = zip(*parts, strict=True)
        m.d.comb += [
            pe.spmat_address.eq(address[exact_log2(layout.row_stride) :]),
            pe.spmat_en.eq(Cat(enable) & here[Space.SPMAT].replicate(pe.parts)),
            pe.spmat_data.eq(Cat(data)),
        ]
        mine, pointer = _lands(address, word, layout.pointer_stride, p * POINTER_BYTES, beat, POINTER_BYTES)
        column = address[exact_log2(layout.pointer_stride) :]
        m.d.comb += [
            pe.pointer_address.eq(column[1:]),
            pe.pointer_en.eq(Cat(here[Space.POINTER] & mine & (column[0] == odd) for odd in range(2))),
            pe.pointer_data.eq(pointer),
        ]
        if config.sparse.weights == "codebook":
            m.d.comb += [
                pe.code_en.eq(here[Space.CODEBOOK]),
                pe.code_address.eq(address[exact_log2(layout.codebook_stride) :]),
                pe.code_data.eq(word[: 8 * CODEBOOK_VALUE_BYTES]),
            ]


def _lands(address, word, stride: int, offset: int, beat: int, size: int):
    """Whether the beat at ``address`` holds byte ``offset`` of its group of ``stride`` bytes; ``size`` bytes of it."""
    group = address[exact_log2(beat) : exact_log2(stride)]
    return group == offset // beat, word[8 * (offset % beat) :][: 8 * size]
