"""Netlists for readers that know assignments to one signal only, as OpenSTA does.

Yosys joins what it assigns to the bits of a module's outputs: ``assign { ready, state[3:2] } = { 2'b00, go };``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["single_assignments"]

_VECTOR = re.compile(r"  (?:input|output|inout|wire) \[(\d+):(\d+)\] (\\\S+|\w+) ?;")
_JOINED = re.compile(r"  assign \{ (.*?) \} = (.*);")
_SIGNAL = re.compile(r"(\\\S+|\w+) ?(?:\[(\d+)(?::(\d+))?\])?")
_CONSTANT = re.compile(r"\d+'b([01xz]+)")


def single_assignments(netlist: Iterable[str]) -> Iterator[str]:
    """The lines of ``netlist``, assignments to several signals taken apart bit by bit.

    Raises:
        ValueError: an assignment that Yosys does not write.

    """
    vectors: dict[str, tuple[int, int]] = {}
    for line in netlist:
        if line.startswith("module "):
            vectors = {}
        elif (vector := _VECTOR.match(line)) is not None:
            vectors[vector[3]] = int(vector[1]), int(vector[2])
        elif (joined := _JOINED.match(line)) is not None:
            targets, sources = ([*_bits(side, vectors)] for side in joined.groups())
            for target, source in zip(targets, sources, strict=True):
                yield f"  assign {target} = {source};\n"
            continue
        yield line


def _bits(side: str, vectors: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """One side of an assignment, highest bit first."""
    for part in side.removeprefix("{ ").removesuffix(" }").split(", "):
        if constant := _CONSTANT.fullmatch(part):
            yield from (f"1'b{bit}" for bit in constant[1])
            continue
        signal = _SIGNAL.fullmatch(part.strip())
        if signal is None:
            raise ValueError(f"no signal: {part!r}")
        name, high, low = signal.groups()
        if high is None and name not in vectors:
            yield f"{name} "
            continue
        first, last = vectors[name] if high is None else (int(high), int(low or high))
        step = -1 if first >= last else 1
        yield from (f"{name} [{bit}]" for bit in range(first, last + step, step))
