"""The fuzzing that runs inside the simulator.

Rounds of random accesses to registers, a random program in a random window, a start, and random accesses while it runs.
What must hold of every round is checked after it; what the rounds came to is left in ``fuzz.json``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time

from hwsim.handover.bench.axi_memory import Memory, _Write
from rtl import csr
from rtl.config import load_arch
from rtl.isa import INSTRUCTION_BYTES, Fault
from tests.system.fuzz.streams import Streams

CYCLES_VARIABLE, ARCH_VARIABLE = "FUZZ_CYCLES", "FUZZ_ARCH"
RESULT = "fuzz.json"
CLOCK_NS = 10
MEMORY_BYTES = 1 << 16
PAGE = 4096
MOST_CYCLES = 6000
"""CYCLE_LIMIT of a round at most."""
SETTLE = 6000
"""Cycles from the end of a run until it is no longer busy, at most: open bursts end, counters go to memory."""
LIMIT = csr.REGISTERS["cycle_limit"].address
START = csr.REGISTERS["control"].address


class _Recorder(_Write):
    """A write port that remembers which bytes were written."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.written: list[int] = []

    def _beat(self) -> None:
        address, _ = self._bursts[0]
        strobes = self._get("wstrb")
        self.written += [address + lane for lane in range(self._width) if strobes >> lane & 1]
        super()._beat()


class Fuzz:
    """The accelerator, its memory, and a host that means no good."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.rng = Random(cocotb.RANDOM_SEED)
        self.config = load_arch(Path(os.environ[ARCH_VARIABLE]))
        self.streams = Streams(self.rng, self.config)
        self.outcomes: Counter[str] = Counter()
        for name in ("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "araddr", "arprot", "arvalid"):
            self._port(name).value = 0
        for name in ("bready", "rready"):
            self._port(name).value = 1
        latency, stall = self.rng.choice([(1, 0.0), (20, 0.0), (5, 0.3)])
        self.memory = Memory(
            dut, self.rng.randbytes(MEMORY_BYTES), latency=latency, interval=1, stall=stall, seed=self.rng.randrange(99)
        )
        port = self.memory._ports[2]
        self.recorder = _Recorder(dut, "m_axi_data", self.memory.data, (latency, 1), port._chance)
        self.memory._ports[2] = self.recorder

    async def round(self) -> None:
        """One program, from its making to what it came to."""
        rng = self.rng
        for _ in range(rng.randrange(6)):
            await self.random_access()
        await self.prepare()
        self.recorder.written.clear()
        base = await self.read("window_base") & ~(PAGE - 1)
        window = range(base, base + await self.read("window_bytes"))
        limit = await self.read("cycle_limit")
        await self.access(START, csr.REGISTERS["control"].pack(start=1))
        await self.until_interrupt(limit)
        await self.until_idle()
        status = csr.REGISTERS["status"].unpack(await self.read("status"))
        fault = csr.REGISTERS["fault"].unpack(await self.read("fault"))
        assert status["done"] != status["fault"], f"{status}, {fault}"
        assert fault["code"] != Fault.TIMEOUT, f"{fault}: this memory always answers"
        outside = [address for address in self.recorder.written if address not in window]
        assert not outside, f"wrote {outside[0]:#x}, outside of the window {base:#x}..{window.stop:#x}"
        self.outcomes[Fault(fault["code"]).name if status["fault"] else "DONE"] += 1

    async def prepare(self) -> None:
        """A program in memory and, mostly, registers that lead there."""
        rng = self.rng
        words = self.streams.draw()
        address = INSTRUCTION_BYTES * rng.randrange((MEMORY_BYTES - PAGE) // INSTRUCTION_BYTES)
        code = b"".join(word.to_bytes(INSTRUCTION_BYTES, "little") for word in words)
        self.memory.data[address : address + len(code)] = code
        del self.memory.data[MEMORY_BYTES:]
        base = rng.choice([PAGE * rng.randrange(MEMORY_BYTES // PAGE), rng.getrandbits(32)])
        settings = {
            "program": rng.choice([address] * 15 + [rng.getrandbits(32)]),
            "program_length": rng.choice([len(words)] * 6 + [0, len(words) + 3, rng.getrandbits(32)]),
            "window_base": base,
            "window_bytes": rng.choice([0x8000, 0x8000, rng.randrange(0x10000), rng.getrandbits(32)]),
        }
        for name, value in settings.items():
            if rng.random() < 0.97:
                await self.access(csr.REGISTERS[name].address, value)
        await self.access(LIMIT, rng.randint(1, MOST_CYCLES))
        await self.access(csr.REGISTERS["bus_timeout"].address, 2000)

    async def until_interrupt(self, limit: int) -> None:
        """It comes within CYCLE_LIMIT, the clearing of the counters before, and what was open at the end."""
        left = limit + 16 * self.config.control.max_layers + 100
        while not self.dut.irq.value:
            assert left > 0, f"no interrupt within {limit} cycles: it hangs"
            began = get_sim_time("ns")
            if self.rng.random() < 0.02:
                await self.random_access()
            else:
                await RisingEdge(self.dut.clk)
            left -= round((get_sim_time("ns") - began) / CLOCK_NS)

    async def until_idle(self) -> None:
        for _ in range(SETTLE // 16):
            if not csr.REGISTERS["status"].unpack(await self.read("status"))["busy"]:
                return
            await ClockCycles(self.dut.clk, 10)
        raise AssertionError("it stays busy")

    async def random_access(self) -> None:
        """Any address, any data, any strobes; but no start, and no limit that is none."""
        rng = self.rng
        known = rng.choice([register.address for register in csr.REGISTERS.values()])
        address = rng.choice([known, known, rng.randrange(1 << csr.ADDRESS_BITS)])
        if rng.random() < 0.4:
            await self.access(address, None)
        elif address & ~3 not in (START, LIMIT):
            await self.access(address, rng.getrandbits(32), rng.randrange(16))
        else:
            await self.access(address, rng.choice([0, 2]), rng.randrange(16))

    async def read(self, name: str) -> int:
        return await self.access(csr.REGISTERS[name].address, None)

    async def access(self, address: int, value: int | None, strobes: int = 15) -> int:
        """Read, or write ``value``; what the bus answered."""
        channels = ("ar",) if value is None else ("aw", "w")
        self._port(f"{channels[0]}addr").value = address
        if value is not None:
            self._port("wdata").value = value
            self._port("wstrb").value = strobes
        for channel in channels:
            self._port(f"{channel}valid").value = 1
        waiting = set(channels)
        while waiting:
            await RisingEdge(self.dut.clk)
            for channel in tuple(waiting):
                if self._port(f"{channel}ready").value:
                    self._port(f"{channel}valid").value = 0
                    waiting.remove(channel)
        answer, carried = ("r", "rdata") if value is None else ("b", "bresp")
        for _ in range(100):
            await RisingEdge(self.dut.clk)
            if self._port(f"{answer}valid").value:
                return int(self._port(carried).value)
        raise AssertionError(f"no answer to an access to register {address:#x}")

    def _port(self, name: str) -> Any:
        return getattr(self.dut, f"s_axil_{name}")


@cocotb.test()
async def nothing_hangs_and_nothing_is_written_outside_of_the_window(dut: Any) -> None:
    for port in (dut.free_run, dut.dump):
        port.value = 0
    dut.rst.value = 1
    fuzz = Fuzz(dut)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    cocotb.start_soon(fuzz.memory.run())
    await ClockCycles(dut.clk, 2)
    cycles = 0
    while cycles < int(os.environ[CYCLES_VARIABLE]):
        await fuzz.round()
        cycles = round(get_sim_time("ns") / CLOCK_NS)
    Path(RESULT).write_text(json.dumps({"cycles": cycles, "outcomes": fuzz.outcomes}))
