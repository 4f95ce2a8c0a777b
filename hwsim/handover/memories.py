"""The memories of the Verilog, for whoever maps them to a compiler's macros or to block RAM."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.reference.markdown import page, table
from rtl.verilog import TOP

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Array", "arrays", "memory_page"]

_TEXT = """
Every array of the Verilog, largest first. Each has one write port, on the rising edge; a write in parts writes some
of a word's equal parts. A clocked read gives the word a cycle after its address, and the old word where that address
is written in the same cycle: a macro needs a read port of its own for each, or copies. A direct read follows its
address at once, so these arrays, all small, are registers or LUT RAM.

What decides the sizes: `memory` in `accelerator.yaml` the arrays of `bank*` (scratchpads) and of `lane*`
(accumulators, two halves to a column), `sparse` those of `processing_element*`, `control.max_layers` those of
`accelerator_counters_*`: event counters of that many layers, which may be more than the design needs. All start as
zeros in simulation and on FPGAs. None needs to: the sums of processing elements are zeroed after reset, the counters
at a start, and of the rest nothing counts that was not written before.
"""
_ARRAY = re.compile(r"^  reg (?:\[(?P<top>\d+):0\] )?(?P<name>\w+) \[(?P<last>\d+):0\];", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Array:
    """An array of a module: ``words`` of ``bits``, in so many ``instances`` of the module in the whole design."""

    module: str
    name: str
    words: int
    bits: int
    clocked_reads: int
    direct_reads: int
    write_parts: int
    instances: int

    @property
    def total_bits(self) -> int:
        """Of all instances."""
        return self.words * self.bits * self.instances


def arrays(modules: Mapping[str, str]) -> list[Array]:
    """Every array of the design, the largest first. ``modules`` are texts of plain names."""
    instances = _instances(modules)
    found = [
        _array(module, text, match, instances[module])
        for module, text in modules.items()
        for match in _ARRAY.finditer(text)
    ]
    return sorted(found, key=lambda array: (-array.total_bits, array.module, array.name))


def memory_page(modules: Mapping[str, str]) -> str:
    """``doc/memories.md``."""
    rows = [
        (
            f"`{array.module}.{array.name}`",
            f"{array.words} x {array.bits}",
            array.instances,
            f"{array.total_bits / 8192:.2f}",
            array.clocked_reads or "",
            array.direct_reads or "",
            array.write_parts if array.write_parts > 1 else "",
        )
        for array in arrays(modules)
    ]
    heads = ("array", "words x bits", "instances", "KiB in all", "clocked reads", "direct reads", "parts of a write")
    return page(["# Memories", _TEXT, table(heads, rows)])


def _array(module: str, text: str, declared: re.Match[str], instances: int) -> Array:
    name = declared["name"]
    return Array(
        module=module,
        name=name,
        words=int(declared["last"]) + 1,
        bits=int(declared["top"] or 0) + 1,
        clocked_reads=len(re.findall(rf"<= {name}\[", text)),
        direct_reads=len(re.findall(rf"^  assign .*\b{name}\[", text, re.MULTILINE)),
        write_parts=len(re.findall(rf"^ +{name}\[.*\] <= ", text, re.MULTILINE)),
        instances=instances,
    )


def _instances(modules: Mapping[str, str]) -> Counter[str]:
    """How often each module is in the design."""
    instance = re.compile(r"^  (\w+) \w+ \($", re.MULTILINE)
    inside = {
        name: Counter(kind for kind in instance.findall(text) if kind in modules) for name, text in modules.items()
    }
    total: Counter[str] = Counter()

    def count(module: str, times: int) -> None:
        total[module] += times
        for kind, number in inside[module].items():
            count(kind, times * number)

    count(TOP, 1)
    return total
