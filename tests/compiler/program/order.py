"""What the tokens of a program order, worked out the slow and obvious way.

Engines issue and retire in program order, and the n-th instruction of engine b that waits for a takes the token of the
n-th instruction of a that signals b. So what has retired when an instruction issues is one number per engine.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from rtl.isa import ENGINE_COUNT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rtl.isa import Instruction

__all__ = ["Access", "DeadlockError", "races", "retired_before"]

Access = "Mapping[int, NDArray[np.int64]]"
"""Addresses that an instruction touches, by memory."""


class DeadlockError(Exception):
    """An instruction waits for a token that no earlier one gives."""


def retired_before(program: Sequence[Instruction]) -> list[tuple[int, ...]]:
    """By instruction and engine: the last one of that engine that is sure to have retired when it issues, or -1.

    Raises:
        DeadlockError: in program order, a token is missing. Dispatch is in that order, so nothing else can save it.
    """
    tokens: dict[tuple[int, int], deque[int]] = {
        (a, b): deque() for a in range(ENGINE_COUNT) for b in range(ENGINE_COUNT)
    }
    latest = [(-1,) * ENGINE_COUNT for _ in range(ENGINE_COUNT)]
    known: list[tuple[int, ...]] = []
    for index, instruction in enumerate(program):
        engine = instruction.ENGINE
        assert engine is not None
        clock = list(latest[engine])
        for other in range(ENGINE_COUNT):
            if instruction.wait >> other & 1:
                if not tokens[other, engine]:
                    raise DeadlockError(f"instruction {index} waits for engine {other}")
                giver = tokens[other, engine].popleft()
                clock = [max(pair) for pair in zip(clock, known[giver], strict=True)]
                clock[other] = max(clock[other], giver)
        for other in range(ENGINE_COUNT):
            if instruction.signal >> other & 1:
                tokens[engine, other].append(index)
        known.append(tuple(clock))
        latest[engine] = known[-1]
    return known


def left_over(program: Sequence[Instruction]) -> int:
    """Tokens given and never taken."""
    given = sum(bin(i.signal).count("1") for i in program)
    return given - sum(bin(i.wait).count("1") for i in program)


def races(
    program: Sequence[Instruction], accesses: Sequence[tuple[Access, Access]], sizes: Mapping[int, int]
) -> list[tuple[int, int, str]]:
    """Pairs of instructions of different engines that touch the same byte, one of them writing, in no certain order.

    ``accesses`` are what each instruction reads and writes; ``sizes`` are those of the memories.
    """
    known = retired_before(program)
    last = {
        (kind, engine, memory): np.full(size, -1)
        for kind in ("read", "write")
        for engine in range(ENGINE_COUNT)
        for memory, size in sizes.items()
    }
    found = []
    for index, (instruction, (reads, writes)) in enumerate(zip(program, accesses, strict=True)):
        earlier = [("write", reads, "read after write"), ("write", writes, "write after write")]
        earlier.append(("read", writes, "write after read"))
        for other in range(ENGINE_COUNT):
            if other == instruction.ENGINE:
                continue
            for kind, touched, name in earlier:
                for memory, addresses in touched.items():
                    if (
                        addresses.size
                        and (before := int(last[kind, other, memory][addresses].max())) > known[index][other]
                    ):
                        found.append((before, index, name))
        for kind, touched in (("read", reads), ("write", writes)):
            for memory, addresses in touched.items():
                last[kind, int(instruction.ENGINE or 0), memory][addresses] = index
    return found
