"""RTLIL of memories of zeros is what Amaranth itself would write, and a memory is left as it was."""

from contextlib import nullcontext

import pytest
from amaranth import Module
from amaranth.back import rtlil
from amaranth.hdl import Fragment
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.blank import blank_memories, with_zeros


class Looks(wiring.Component):
    """A memory in a submodule of a submodule, read and written."""

    address: In(3)
    data: Out(32)

    def __init__(self, width: int, init: list[int]) -> None:
        self.memory = memory.Memory(shape=width, depth=8, init=init)
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m, inner = Module(), Module()
        inner.submodules.memory = self.memory
        read, write = self.memory.read_port(), self.memory.write_port()
        inner.d.comb += [read.addr.eq(self.address), self.data.eq(read.data)]
        inner.d.comb += [write.addr.eq(self.address), write.data.eq(5), write.en.eq(1)]
        m.submodules.inner = inner
        return m


def written(looks: Looks, *, blank: bool) -> str:
    fragment = Fragment.get(looks, None)
    with blank_memories(fragment) if blank else nullcontext():
        return rtlil.convert(
            fragment, ports={"address": (looks.address, None), "data": (looks.data, None)}, emit_src=False
        )


@pytest.mark.parametrize("init", [[], [0, 0, 0], [0, 1]], ids=["none", "zeros", "a table"])
@pytest.mark.parametrize("width", [1, 8, 32])
def test_the_text_is_the_same_to_the_byte(width, init):
    right, bare = (written(Looks(width, init), blank=blank) for blank in (False, True))
    assert right.count("$meminit_v2") == 1
    assert ("connect \\DATA {  }" in bare) == (not any(init))
    assert with_zeros(bare) == right


def test_the_memory_keeps_its_contents():
    looks = Looks(8, [])
    written(looks, blank=True)
    assert looks.memory.data._init._raw == [0] * 8
