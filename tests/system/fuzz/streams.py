"""Instruction streams to fuzz with: right programs with bits flipped, odd fields, and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtl.isa import FORMATS, INSTRUCTION_BITS, Opcode, encode, layout_of
from tests.system.noise import noise
from tests.system.sparse_programs import random_program

if TYPE_CHECKING:
    from random import Random

    from rtl.config import ArchConfig

__all__ = ["Streams"]

_POOL = 12


class Streams:
    """Draws streams for ``config``; programs are compiled once and damaged again and again."""

    def __init__(self, rng: Random, config: ArchConfig) -> None:
        self._rng = rng
        self._config = config
        if config.sparse_engine is not None:
            programs = [random_program(rng, config).instructions for _ in range(_POOL)]
            self._pool = [[encode(i) for i in program] for program in programs]
        else:
            self._pool = [mistake.words for mistake in noise(rng, config, _POOL)]

    def draw(self) -> list[int]:
        """The words of one."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.15:
            return [rng.getrandbits(INSTRUCTION_BITS) for _ in range(rng.randint(1, 6))]
        if kind < 0.5:
            return [self._plausible() for _ in range(rng.randint(1, 12))]
        words = list(rng.choice(self._pool))
        for _ in range(rng.choice([0, 1, 1, 2, 4])):
            words[rng.randrange(len(words))] ^= 1 << rng.randrange(rng.choice([16, 128, INSTRUCTION_BITS]))
        return words

    def _plausible(self) -> int:
        """A format of the instruction set that gets as far as its engine, with any values in its fields."""
        rng = self._rng
        opcode = rng.choice(list(Opcode))
        word = int(opcode)
        for name, offset, width, _ in layout_of(FORMATS[opcode])[1:]:
            value = rng.choice([0, 1, 2, rng.randrange(64), rng.getrandbits(width), (1 << width) - 1])
            if name == "layer":
                value = rng.randrange(self._config.control.max_layers)
            if name in ("wait", "signal"):
                value = rng.choice([0, 0, 0, value])
            word |= (value & ((1 << width) - 1)) << offset
        return word
