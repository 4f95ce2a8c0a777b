"""The two memories a simulation can have, behind one interface."""

from __future__ import annotations

import mmap
import random
from abc import ABC, abstractmethod
from itertools import chain
from typing import TYPE_CHECKING, Any

import cocotb
from cocotb.triggers import ClockCycles

from hwsim.simulation.dram import DUMP_FILE, RAW_IMAGE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hwsim.simulation.session import Session

__all__ = ["Memory", "attach"]

MAX_RANDOM_LATENCY = 40
"""Longest pause of a channel that is held back at random."""


class Memory(ABC):
    """What the accelerator's AXI ports are connected to."""

    free_run: bool
    """Whether the simulator can run without Python."""

    @abstractmethod
    async def dump(self, path: Path) -> None:
        """Write the contents to a file."""


class HdlDram(Memory):
    """The deterministic DRAM in the harness: loaded by the simulator at time 0, dumped on request."""

    free_run = True

    def __init__(self, dut: Any, folder: Path) -> None:
        self._dut = dut
        self._folder = folder

    async def dump(self, path: Path) -> None:
        self._dut.dump.value = 1
        await ClockCycles(self._dut.clk, 2)
        self._dut.dump.value = 0
        await ClockCycles(self._dut.clk, 1)
        (self._folder / DUMP_FILE).rename(path)


class RandomAxiRam(Memory):
    """cocotbext-axi's ``AxiRam`` halves, all on the same bytes, every channel held back at random."""

    free_run = False

    def __init__(self, dut: Any, session: Session, folder: Path) -> None:
        from cocotbext.axi import AxiBus, AxiRamRead, AxiRamWrite, AxiReadBus

        image = (folder / RAW_IMAGE_FILE).read_bytes()
        self._bytes = mmap.mmap(-1, session.memory_bytes)
        self._bytes[: len(image)] = image
        clocked = {"clock": dut.clk, "reset": dut.rst, "size": session.memory_bytes, "mem": self._bytes}
        data = AxiBus.from_prefix(dut, "m_axi_data")
        read = AxiRamRead(data.read, **clocked)
        write = AxiRamWrite(data.write, **clocked)
        fetch = AxiRamRead(AxiReadBus.from_prefix(dut, "m_axi_fetch"), **clocked)

        rng = random.Random(cocotb.RANDOM_SEED)
        reads = (read.ar_channel, read.r_channel, fetch.ar_channel, fetch.r_channel)
        for channel in (*reads, write.aw_channel, write.w_channel, write.b_channel):
            channel.set_pause_generator(_pauses(random.Random(rng.random()), session.stall))

    async def dump(self, path: Path) -> None:
        path.write_bytes(self._bytes[:])


def attach(dut: Any, session: Session, folder: Path) -> Memory:
    """The memory that the session asks for."""
    return HdlDram(dut, folder) if session.memory == "dram" else RandomAxiRam(dut, session, folder)


def _pauses(rng: random.Random, stall: float) -> Iterator[bool]:
    """Free and held-back stretches of random length, held back for the share ``stall`` of the time."""
    while True:
        held = rng.random() < stall
        length = rng.choice((1, 1, 2, 3, rng.randint(1, MAX_RANDOM_LATENCY)))
        yield from chain.from_iterable([[held] * length])
