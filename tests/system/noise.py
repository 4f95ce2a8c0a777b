"""Instruction streams that are likely wrong: noise, odd fields, and right programs that were damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtl.isa import FORMATS, INSTRUCTION_BITS, End, Fault, Opcode, encode, layout_of
from tests.system.differential import trials_of
from tests.system.mistakes import Mistake
from tests.system.random_layers import random_case

if TYPE_CHECKING:
    from random import Random

    from rtl.config import ArchConfig

__all__ = ["NOISE_WINDOW_BYTES", "noise"]

NOISE_WINDOW_BYTES = 0x8000
"""Holds the tensors and weights of most of the programs that are damaged."""


def noise(rng: Random, config: ArchConfig, streams: int) -> list[Mistake]:
    """So many streams. What becomes of each nobody knows, but that it stops."""
    return [Mistake(_words(rng, config), Fault.NONE, 0, window_bytes=NOISE_WINDOW_BYTES) for _ in range(streams)]


def _words(rng: Random, config: ArchConfig) -> list[int]:
    kind = rng.random()
    if kind < 0.1:
        words = [rng.getrandbits(INSTRUCTION_BITS) for _ in range(rng.randint(1, 6))]
    elif kind < 0.3:
        words = [_odd_instruction(rng) for _ in range(rng.randint(1, 12))]
    else:
        words = _some_program(rng, config)
        for _ in range(rng.choice([1, 1, 2, 3])):
            # Late, so that much of it runs.
            at = max(rng.randrange(len(words)) for _ in range(3))
            rng.choice([_drop, _repeat, _swap, _flip, _flip, _flip])(rng, words, at)
    return words if rng.random() < 0.2 else [*words, encode(End())]


def _some_program(rng: Random, config: ArchConfig) -> list[int]:
    while True:
        trials = trials_of(random_case(rng.randrange(10_000), most_macs=8000), config)
        if trials and trials[0].model.cycles < 5000:
            return [encode(i) for i in trials[0].program.segments[0].instructions]


def _odd_instruction(rng: Random) -> int:
    """A format of the instruction set whose fields are small, zero, or as large as they can be."""
    word = int(rng.choice([opcode for opcode in Opcode if opcode != Opcode.END]))
    for name, offset, width, _ in layout_of(FORMATS[Opcode(word & 15)])[1:]:
        if name in ("wait", "signal"):
            value = rng.choice([0, 0, 0, rng.getrandbits(width)])
        elif name in ("out_w", "out_h", "rows", "kx", "ky"):
            value = rng.choice([1, 1, 2, 3, rng.randrange(20)])
        else:
            value = rng.choice([0, 1, 1, 2, 4, rng.randrange(64), rng.getrandbits(width), (1 << width) - 1])
        word |= (value & ((1 << width) - 1)) << offset
    return word


def _drop(rng: Random, words: list[int], at: int) -> None:
    if len(words) > 1:
        del words[at]


def _repeat(rng: Random, words: list[int], at: int) -> None:
    words.insert(rng.randrange(len(words)), words[at])


def _swap(rng: Random, words: list[int], at: int) -> None:
    other = rng.randrange(len(words))
    words[at], words[other] = words[other], words[at]


def _flip(rng: Random, words: list[int], at: int) -> None:
    # Most fields lie in the lower half.
    words[at] ^= 1 << rng.randrange(rng.choice([16, 128, INSTRUCTION_BITS]))
