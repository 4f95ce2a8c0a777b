"""What the accelerator does while its bus is tested: a short program that uses every port, or a whole network."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from hwsim.handover.sample import make_sample
from rtl.isa import INSTRUCTION_BYTES, End, Engine, Instruction, Load, PostFill, Space, Store, encode

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["Work", "code", "network", "short"]

PAGE = 4096


@dataclass(frozen=True, slots=True)
class Work:
    """A memory with a program in it, and what must come of it."""

    image: bytes
    address: int
    length: int
    """Instructions."""
    window_bytes: int
    outputs: tuple[tuple[int, bytes], ...]
    """Address and contents."""


def code(program: list[Instruction]) -> bytes:
    """The bytes of a program."""
    return b"".join(encode(i).to_bytes(INSTRUCTION_BYTES, "little") for i in program)


def network(config: ArchConfig) -> Work:
    """The sample program of a hand-over: some thousand cycles, on all engines."""
    sample = make_sample(config)
    return Work(
        image=sample.image,
        address=sample.segment.address,
        length=len(sample.segment.instructions),
        window_bytes=sample.window_bytes,
        outputs=tuple((output.address, output.data) for output in sample.outputs),
    )


def short(config: ArchConfig) -> Work:
    """Two loads and two stores with rows that begin and end anywhere: some hundred cycles."""
    rng = Random(3)
    memory = bytearray(rng.randbytes(2 * PAGE))
    program: list[Instruction] = []
    outputs = []
    for value, dram in ((17, 0x203), (-5, 0x60D)):
        move = {"rows": 2, "row_bytes": 40, "spad_stride": 40}
        program += [
            Load(space=Space.IFM, dram=rng.randrange(PAGE), spad=0, dram_stride=rng.randint(40, 90), **move),
            PostFill(value=value, spad=0, signal=1 << Engine.STORE, **move),
            Store(dram=dram, spad=0, dram_stride=77, wait=1 << Engine.POST, signal=1 << Engine.POST, **move),
            PostFill(value=0, spad=0, wait=1 << Engine.STORE, **move),
        ]
        outputs += [(dram + 77 * row, bytes([value & 0xFF]) * 40) for row in range(2)]
    program.append(End())
    memory[PAGE : PAGE + len(code(program))] = code(program)
    return Work(bytes(memory), PAGE, len(program), PAGE, tuple(outputs))
