"""Memories that start as zeros, written to RTLIL in one piece.

Amaranth makes an object of every bit of a memory's contents, and takes them apart again one by one: for the scratchpads
of an accelerator, a quarter of the time to write its Verilog. Here memories of zeros have no contents while the text is
made, and get them in the text. The text is the same to the byte.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from amaranth.hdl import Fragment
from amaranth.hdl._mem import MemoryData, MemoryInstance

__all__ = ["blank_memories", "with_zeros"]

_BLANK = re.compile(
    r"(?P<head>^    parameter \\WIDTH (?P<width>\d+)\n    parameter \\WORDS (?P<words>\d+)\n"
    r"    parameter \\PRIORITY 0\n    connect \\ADDR {  }\n    connect \\DATA ){  }$",
    re.MULTILINE,
)


@contextmanager
def blank_memories(fragment: Fragment) -> Iterator[None]:
    """Meanwhile the memories of zeros in ``fragment`` have no contents; :func:`with_zeros` mends what is made of it."""
    with ExitStack() as restored:
        for data in _contents(fragment):
            init = data.init
            # What the netlist is made of; Amaranth has no public way to say "zeros".
            words = init._raw  # noqa: SLF001
            if not any(words):
                restored.callback(setattr, init, "_raw", words)
                init._raw = []  # noqa: SLF001
        yield


def with_zeros(rtlil: str) -> str:
    """``rtlil`` of a fragment with :func:`blank_memories`, as it would have been without."""
    return _BLANK.sub(_zeros, rtlil)


def _zeros(cell: re.Match[str]) -> str:
    bits = int(cell["width"]) * int(cell["words"])
    return f"{cell['head']}{bits}'{'0' * bits}" if bits else cell[0]


def _contents(fragment: Fragment) -> Iterator[MemoryData]:
    if isinstance(fragment, MemoryInstance):
        yield fragment._data  # noqa: SLF001
    for inside, _, _ in fragment.subfragments:
        yield from _contents(inside)
