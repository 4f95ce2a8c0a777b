"""The control registers over AXI4-Lite, for cocotb, by the names of ``doc/registers.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cocotb.triggers import RisingEdge

__all__ = ["RegisterError", "Registers"]

OKAY = 0


class RegisterError(RuntimeError):
    """The accelerator answered an access to a register with an error."""


class Registers:
    """A master on the ``s_axil_*`` ports of ``dut``: one access at a time."""

    def __init__(self, dut: Any, description: Path) -> None:
        self._dut = dut
        self.known: dict[str, dict[str, Any]] = json.loads(description.read_text())
        for name in ("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "araddr", "arprot", "arvalid"):
            self._port(name).value = 0
        self._port("bready").value = 1
        self._port("rready").value = 1

    async def write(self, name: str, value: int) -> None:
        """Write a register.

        Raises:
            RegisterError: it was refused.

        """
        self._port("awaddr").value = self.known[name]["address"]
        self._port("wdata").value = value
        self._port("wstrb").value = 0b1111
        await self._send("aw", "w")
        if await self._answer("b", "bresp") != OKAY:
            raise RegisterError(f"writing {value:#x} to {name} was refused")

    async def write_fields(self, name: str, **fields: int) -> None:
        """Write a register whose other fields are zero."""
        places = {field["name"]: field["offset"] for field in self.known[name]["fields"]}
        await self.write(name, sum(value << places[field] for field, value in fields.items()))

    async def read(self, name: str) -> int:
        """Read a register.

        Raises:
            RegisterError: it was refused.

        """
        return await self.read_address(self.known[name]["address"])

    async def read_address(self, address: int) -> int:
        """Read the register at ``address``.

        Raises:
            RegisterError: there is none, or it cannot be read now.

        """
        self._port("araddr").value = address
        await self._send("ar")
        if await self._answer("r", "rresp") != OKAY:
            raise RegisterError(f"reading address {address:#x} was refused")
        return int(self._port("rdata").value)

    async def read_pair(self, name: str) -> int:
        """Read a number of two registers; the low word first, for that holds the high one."""
        low = await self.read(f"{name}_lo")
        return low | await self.read(f"{name}_hi") << 32

    async def fields(self, name: str) -> dict[str, int]:
        """Read a register by its fields."""
        word = await self.read(name)
        return {f["name"]: word >> f["offset"] & (1 << f["width"]) - 1 for f in self.known[name]["fields"]}

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
        while True:
            await RisingEdge(self._dut.clk)
            if self._port(f"{channel}valid").value:
                return int(self._port(response).value)

    def _port(self, name: str) -> Any:
        return getattr(self._dut, f"s_axil_{name}")
