"""Delays as OpenSTA writes them, made plain for Icarus: one delay per edge from every input to every output.

Icarus does not read conditions as OpenSTA writes them, and a simulated path has one delay, not an interval. Conditions
and the ends of intervals are averaged: what is asked for is how often a net changes on an average, not the worst case.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from hwsim.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

__all__ = ["plain"]

_TIMESCALE = re.compile(r"\(TIMESCALE\s+([^)]+)\)")
_INSTANCE = re.compile(r"\(INSTANCE\s*([\w/]*)\)")
_CELL = re.compile(r'\(CELLTYPE\s+"([^"]+)"\)')
_PATH = re.compile(r"\(IOPATH\s+(?:\(\w+\s+)?(\w+)\)?\s+(\w+)\s+\(([^)]*)\)(?:\s+\(([^)]*)\))?")

_Delays = dict[tuple[str, str], list[tuple[float, float]]]


def plain(sdf: str, *, ideal: Container[str] = ()) -> tuple[str, dict[str, float]]:
    """``sdf`` with nothing but unconditional paths; and the mean delay of each kind of cell, in its unit.

    Instances that are ``ideal`` take no time.

    Raises:
        ToolError: it has none.

    """
    scale = _TIMESCALE.search(sdf)
    cells = list(_cells(sdf.splitlines()))
    if scale is None or not cells:
        raise ToolError("opensta wrote no delays")
    lines = ["(DELAYFILE", ' (SDFVERSION "3.0")', " (DIVIDER /)", f" (TIMESCALE {scale[1]})"]
    means: dict[str, list[float]] = defaultdict(list)
    for kind, instance, paths in cells:
        if instance in ideal:
            continue
        lines += [" (CELL", f'  (CELLTYPE "{kind}")', f"  (INSTANCE {instance})", "  (DELAY (ABSOLUTE"]
        for (source, target), found in paths.items():
            rise, fall = (sum(delay[k] for delay in found) / len(found) for k in (0, 1))
            lines.append(f"   (IOPATH {source} {target} ({rise:.6f}) ({fall:.6f}))")
            means[kind].append((rise + fall) / 2)
        lines.append("  ))\n )")
    return "\n".join([*lines, ")", ""]), {kind: sum(found) / len(found) for kind, found in means.items()}


def _cells(lines: Iterable[str]) -> Iterator[tuple[str, str, _Delays]]:
    """Cells that have paths: kind, instance, and rising and falling delays of each path."""
    kind = instance = ""
    paths: _Delays = defaultdict(list)
    for line in lines:
        if found := _CELL.search(line):
            if paths:
                yield kind, instance, paths
            kind, paths = found[1], defaultdict(list)
        elif found := _INSTANCE.search(line):
            instance = found[1]
        elif found := _PATH.search(line):
            rise = _middle(found[3])
            paths[found[1], found[2]].append((rise, rise if found[4] is None else _middle(found[4])))
    if paths:
        yield kind, instance, paths


def _middle(interval: str) -> float:
    """Of ``min::max`` or ``min:typical:max``."""
    ends = [float(end) for end in interval.split(":") if end]
    return (ends[0] + ends[-1]) / 2 if ends else 0.0
