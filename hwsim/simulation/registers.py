"""The control registers over AXI4-Lite, from cocotb."""

from __future__ import annotations

from typing import Any

from cocotb.triggers import RisingEdge

from rtl.csr import REGISTERS

__all__ = ["RegisterError", "Registers"]

OKAY = 0


class RegisterError(RuntimeError):
    """The accelerator answered an access to a register with an error."""


class Registers:
    """An AXI4-Lite master on the ``s_axil_*`` ports of ``dut``: one access at a time, registers by name.

    A coroutine that wakes at the rising edge reads what was there before it, so ``ready`` read then is the ``ready``
    of the transfer that the edge made.
    """

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        for name in ("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "araddr", "arprot", "arvalid"):
            self._port(name).value = 0
        self._port("bready").value = 1
        self._port("rready").value = 1

    async def write(self, name: str, value: int) -> None:
        """Write a whole register.

        Raises:
            RegisterError: it was refused.

        """
        self._port("awaddr").value = REGISTERS[name].address
        self._port("wdata").value = value
        self._port("wstrb").value = 0b1111
        await self._send("aw", "w")
        if await self._answer("b", "bresp") != OKAY:
            raise RegisterError(f"writing {value:#x} to register {name} was refused")

    async def read(self, name: str) -> int:
        """Read a whole register.

        Raises:
            RegisterError: it was refused.

        """
        self._port("araddr").value = REGISTERS[name].address
        await self._send("ar")
        response = await self._answer("r", "rresp")
        if response != OKAY:
            raise RegisterError(f"reading register {name} was refused")
        return int(self._port("rdata").value)

    async def read_pair(self, name: str) -> int:
        """Read a number that takes two registers. The low word first: that holds the high one."""
        low = await self.read(f"{name}_lo")
        return low | await self.read(f"{name}_hi") << 32

    async def fields(self, name: str) -> dict[str, int]:
        """Read a register's fields."""
        return REGISTERS[name].unpack(await self.read(name))

    async def _send(self, *channels: str) -> None:
        for channel in channels:
            self._port(f"{channel}valid").value = 1
        waiting = set(channels)
        while waiting:
            await RisingEdge(self._dut.clk)
            for channel in tuple(waiting):
                if self._port(f"{channel}ready").value:
                    self._port(f"{channel}valid").value = 0
                    waiting.remove(channel)

    async def _answer(self, channel: str, response: str) -> int:
        """Wait for the answer, whose ``ready`` is always high; what it carries is read before the edge takes it."""
        while True:
            await RisingEdge(self._dut.clk)
            if self._port(f"{channel}valid").value:
                return int(self._port(response).value)

    def _port(self, name: str) -> Any:
        return getattr(self._dut, f"s_axil_{name}")
