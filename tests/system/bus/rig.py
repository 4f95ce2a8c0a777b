"""What the bus tests have around the accelerator: cocotbext-axi on every port, faults on demand, and watchful eyes."""

from __future__ import annotations

import mmap
import os
from itertools import chain
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRamRead, AxiRamWrite, AxiReadBus, AxiResp

from rtl import csr
from rtl.config import load_arch
from tests.system.bus.work import network, short

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ARCH_VARIABLE", "MEMORY_CHANNELS", "WORK_VARIABLE", "Rig"]

ARCH_VARIABLE = "BUS_TEST_ARCH"
"""Names the file of the architecture under test."""
WORK_VARIABLE = "BUS_TEST_WORK"
"""What it does meanwhile: a key of ``WORKS``."""
WORKS = {"short": short, "network": network}
MEMORY_BYTES = 1 << 17
MEMORY_CHANNELS = ("fetch_ar", "fetch_r", "load_ar", "load_r", "store_aw", "store_w", "store_b")
PAYLOADS = {
    "m_axi_fetch_ar": ("addr", "len", "size", "burst", "id"),
    "m_axi_data_ar": ("addr", "len", "size", "burst", "id"),
    "m_axi_data_aw": ("addr", "len", "size", "burst", "id"),
    "m_axi_data_w": ("data", "strb", "last"),
    "s_axil_b": ("resp",),
    "s_axil_r": ("data", "resp"),
}
"""What the accelerator drives, and must hold while it waits."""


class _Answers:
    """The responses of a port: OKAY, but for the beat or burst whose turn it is to fail."""

    def __init__(self, channel: Any, field: str) -> None:
        self._field = field
        self._left: int | None = None
        self._response = AxiResp.OKAY
        self._send = channel.send
        channel.send = self.send

    def fail(self, after: int, response: AxiResp) -> None:
        """Answer so after that many good answers, once."""
        self._left, self._response = after, response

    async def send(self, answer: Any) -> None:
        if self._left == 0:
            setattr(answer, self._field, self._response)
        if self._left is not None:
            self._left -= 1
        await self._send(answer)


class Rig:
    """The accelerator between a host and a memory, with a program in it."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.config = load_arch(Path(os.environ[ARCH_VARIABLE]))
        self.work = WORKS[os.environ[WORK_VARIABLE]](self.config)
        self.rng = Random(cocotb.RANDOM_SEED)
        self.memory = mmap.mmap(-1, MEMORY_BYTES)
        clocked = {"clock": dut.clk, "reset": dut.rst, "size": MEMORY_BYTES, "mem": self.memory}
        for port in (dut.free_run, dut.dump):
            port.value = 0
        data = AxiBus.from_prefix(dut, "m_axi_data")
        fetch = AxiRamRead(AxiReadBus.from_prefix(dut, "m_axi_fetch"), **clocked)
        load, store = AxiRamRead(data.read, **clocked), AxiRamWrite(data.write, **clocked)
        self.channels = {
            "fetch_ar": fetch.ar_channel,
            "fetch_r": fetch.r_channel,
            "load_ar": load.ar_channel,
            "load_r": load.r_channel,
            "store_aw": store.aw_channel,
            "store_w": store.w_channel,
            "store_b": store.b_channel,
        }
        self.answers = {
            "fetch": _Answers(fetch.r_channel, "rresp"),
            "load": _Answers(load.r_channel, "rresp"),
            "store": _Answers(store.b_channel, "bresp"),
        }
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        write, read = self.host.write_if, self.host.read_if
        self.host_channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)

    async def begin(self) -> None:
        """Reset, and eyes on what the accelerator drives."""
        await self.reset()
        for channel, payload in PAYLOADS.items():
            cocotb.start_soon(self._watch(channel, payload))

    async def reset(self, cycles: int = 3) -> None:
        """Of the accelerator and everything around it; the memory forgets what it was asked for."""
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, cycles)
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 2)

    async def _watch(self, channel: str, payload: tuple[str, ...]) -> None:
        """VALID stays until READY, and what it offers stays with it. IDs are all the same."""
        dut, held = self.dut, None
        valid, ready = (getattr(dut, f"{channel}{name}") for name in ("valid", "ready"))
        signals = [getattr(dut, f"{channel}{name}") for name in payload]
        while True:
            await RisingEdge(dut.clk)
            if dut.rst.value:
                held = None
                continue
            offered = [int(signal.value) for signal in signals] if valid.value else None
            assert held is None or offered == held, f"{channel} offered {held} and then {offered}"
            assert offered is None or "id" not in payload or offered[-1] == 0
            held = offered if offered is not None and not ready.value else None

    def place_work(self) -> None:
        """Memory as the program finds it."""
        self.memory[:] = bytes(MEMORY_BYTES)
        self.memory[: len(self.work.image)] = self.work.image

    def hold_back(self, share: float, *names: str) -> None:
        """Pause these channels of the memory (all without a name) at random for a share of the cycles."""
        for name, channel in self.channels.items():
            channel.clear_pause_generator()
            channel.pause = False
            if share and name in (names or MEMORY_CHANNELS):
                channel.set_pause_generator(_pauses(Random(self.rng.random()), share))

    def hold_back_host(self, share: float) -> None:
        """The same for all channels of the host."""
        for channel in self.host_channels:
            channel.clear_pause_generator()
            channel.pause = False
            if share:
                channel.set_pause_generator(_pauses(Random(self.rng.random()), share))

    async def write(self, name: str, value: int) -> AxiResp:
        """Write a register; the response."""
        answer = await self.host.write(csr.REGISTERS[name].address, value.to_bytes(4, "little"))
        return answer.resp

    async def read(self, name: str) -> int:
        """Read a register."""
        answer = await self.host.read(csr.REGISTERS[name].address, 4)
        assert answer.resp == AxiResp.OKAY, name
        return int.from_bytes(answer.data, "little")

    async def fields(self, name: str) -> dict[str, int]:
        return csr.REGISTERS[name].unpack(await self.read(name))

    async def start(self, **changes: int) -> None:
        """Start the program, or what ``changes`` make of it."""
        settings = {
            "program": self.work.address,
            "program_length": self.work.length,
            "window_base": 0,
            "window_bytes": self.work.window_bytes,
        }
        for name, value in (settings | changes).items():
            assert await self.write(name, value) == AxiResp.OKAY
        assert await self.write("control", csr.REGISTERS["control"].pack(start=1)) == AxiResp.OKAY

    async def interrupt(self, limit: int = 100_000) -> None:
        """Wait for it."""
        for _ in range(limit):
            if self.dut.irq.value:
                return
            await RisingEdge(self.dut.clk)
        raise AssertionError(f"no interrupt within {limit} cycles")

    async def outcome(self) -> tuple[dict[str, int], dict[str, int]]:
        """Status once it is no longer busy, and fault."""
        await self.interrupt()
        for _ in range(1000):
            status = await self.fields("status")
            if not status["busy"]:
                return status, await self.fields("fault")
        raise AssertionError("it stays busy")

    async def run_work(self) -> None:
        """The program, from a fresh memory to every byte of its results."""
        self.place_work()
        await self.start()
        status, fault = await self.outcome()
        assert status == {"busy": 0, "done": 1, "fault": 0}, fault
        for address, data in self.work.outputs:
            assert self.memory[address : address + len(data)] == data, f"{address:#x}"


def _pauses(rng: Random, share: float) -> Iterator[bool]:
    while True:
        held = rng.random() < share
        yield from chain.from_iterable([[held] * rng.choice((1, 1, 2, 3, rng.randint(1, 20)))])
