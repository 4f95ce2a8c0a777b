"""The modules of a synthesised design: how often each is there, what it takes by itself and with what is inside.

Read from Yosys' statistics and from the memories that were taken out before synthesis.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MACROS", "Macro", "Part", "instances", "macros_of", "parts_of"]

MACROS = "macros"
"""Ends the names of the black boxes that memories are taken out into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A module of the design."""

    module: str
    instances: int
    """In the whole design."""
    own_um2: float
    """Of one instance: its cells, without the modules in it."""
    total_um2: float
    """Of one instance, with the modules in it; memories apart."""
    flip_flop_um2: float
    """Of ``own_um2``, what Yosys counts as sequential."""
    cells: int
    """Of one instance, without the modules in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """A memory that is not made of cells."""

    module: str
    """That it is in."""
    instances: int
    words: int
    bits: int
    """Of a word."""
    read_ports: int

    @property
    def kib(self) -> float:
        """Of one instance."""
        return self.words * self.bits / 8192


def instances(inside: Mapping[str, Mapping[str, int]], top: str) -> Counter[str]:
    """How often each module is in ``top``, from how often each is directly in another."""
    counts: Counter[str] = Counter()
    pending = [(top, 1)]
    while pending:
        name, times = pending.pop()
        counts[name] += times
        pending += [(kind, times * number) for kind, number in inside[name].items() if kind in inside]
    return counts


def parts_of(statistics: Mapping[str, Any], top: str) -> tuple[Part, ...]:
    """Every module under ``top``, the largest share of the design first.

    ``statistics``: "modules" of `stat -json -liberty`, by their names in Verilog.
    """
    modules = statistics
    inside = {name: entry["num_cells_by_type"] for name, entry in modules.items()}
    counts = instances(inside, top)

    def own(name: str, what: str) -> float:
        """Yosys' figures are with the modules inside; a black box has none."""
        within = sum(n * modules[kind].get(what, 0.0) for kind, n in inside[name].items() if kind in modules)
        # Sums are in another order than Yosys': a cell is larger than 1e-6 um2.
        return round(modules[name].get(what, 0.0) - within, 6) + 0.0

    found = [
        Part(
            module=name,
            instances=counts[name],
            own_um2=own(name, "area"),
            total_um2=modules[name].get("area", 0.0),
            flip_flop_um2=own(name, "sequential_area"),
            cells=sum(number for kind, number in inside[name].items() if kind not in modules),
        )
        for name in modules
        if counts[name] and not name.endswith(f"_{MACROS}")
    ]
    return tuple(sorted(found, key=lambda part: -part.instances * part.total_um2))


def macros_of(taken: Mapping[str, Any], counts: Mapping[str, int]) -> tuple[Macro, ...]:
    """The memories in ``taken``, "modules" of Yosys' JSON; those of modules that are not in ``counts`` are left out."""
    found = [
        Macro(module=name, instances=counts[name], **fields)
        for name, module in taken.items()
        if counts.get(name)
        for fields in _memories(module)
    ]
    return tuple(sorted(found, key=lambda macro: -macro.instances * macro.kib))


def _memories(module: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    for cell in module["cells"].values():
        if cell["type"] == "$mem_v2":
            parameters = cell["parameters"]
            words, bits, ports = (int(parameters[key], 2) for key in ("SIZE", "WIDTH", "RD_PORTS"))
            yield {"words": words, "bits": bits, "read_ports": ports}
