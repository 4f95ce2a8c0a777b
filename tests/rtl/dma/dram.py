"""The deterministic DRAM (``hwsim/simulation/dram.v``) for Amaranth's simulator, with back-pressure on demand."""

from collections import deque
from random import Random
from typing import Any

_OKAY, _DECERR = 0, 3


class Dram:
    """``memory`` behind AXI ports that take ``latency`` and ``interval`` cycles, as :mod:`rtl.dma.timing` has them.

    With ``rng`` every handshake is held up at random instead: another memory, for what must not depend on timing.
    ``limit``: bytes from this address on do not exist. All ports count cycles from the first.
    """

    def __init__(self, memory: bytearray, *, latency: int, interval: int, rng: Random | None = None) -> None:
        self.memory = memory
        self.latency = latency
        self.interval = interval
        self.rng = rng
        self.bursts: list[tuple[int, int]] = []
        """Address and beats of every burst that was asked for."""

    def _held_up(self) -> bool:
        return self.rng is not None and self.rng.random() < 0.4

    def _accept(self, cycle: int, address: int, length: int, width: int) -> tuple[int, int, int]:
        assert address % width == 0
        assert address // 4096 == (address + (length + 1) * width - 1) // 4096, "a burst crosses 4 KiB"
        self.bursts.append((address, length + 1))
        return cycle + self.latency, address, length + 1

    def reads(self, axi: Any):
        """A bench that serves a read port."""
        width = len(axi.rdata) // 8

        async def bench(ctx: Any) -> None:
            cycle, last_beat, showing = 0, -self.interval, False
            beats: deque[tuple[int, int, bool]] = deque()  # earliest cycle, address, last
            ctx.set(axi.arready, not self.rng)
            while True:
                arvalid, arready, address, length, rready = await _sample(
                    ctx, axi.arvalid, axi.arready, axi.araddr, axi.arlen, axi.rready
                )
                if arvalid and arready:
                    due, address, count = self._accept(cycle, address, length, width)
                    beats.extend((due, address + i * width, i == count - 1) for i in range(count))
                if showing and rready:
                    last_beat, showing = cycle, False
                    beats.popleft()
                cycle += 1
                ctx.set(axi.arready, not self._held_up())
                if showing:
                    continue
                showing = bool(beats) and cycle >= max(beats[0][0], last_beat + self.interval) and not self._held_up()
                ctx.set(axi.rvalid, showing)
                if showing:
                    _, address, last = beats[0]
                    there = address < len(self.memory)
                    ctx.set(axi.rdata, int.from_bytes(self.memory[address : address + width], "little"))
                    ctx.set(axi.rlast, last)
                    ctx.set(axi.rresp, _OKAY if there else _DECERR)

        return bench

    def writes(self, axi: Any):
        """A bench that serves a write port."""
        width = len(axi.wstrb)

        async def bench(ctx: Any) -> None:
            cycle, last_beat = 0, -self.interval
            addresses: deque[tuple[int, int]] = deque()
            responses: deque[tuple[int, int]] = deque()  # earliest cycle, response
            beat, response, showing = 0, _OKAY, False
            ctx.set(axi.awready, not self.rng)
            while True:
                awvalid, awready, address, length, wvalid, wready, data, strobes, last, bready = await _sample(
                    ctx,
                    *(axi.awvalid, axi.awready, axi.awaddr, axi.awlen),
                    *(axi.wvalid, axi.wready, axi.wdata, axi.wstrb, axi.wlast, axi.bready),
                )
                if wvalid and wready:
                    last_beat = cycle
                    begin, count = addresses[0]
                    assert bool(last) == (beat == count - 1), "wlast is not where awlen says"
                    response |= self._write(begin + beat * width, data, strobes, width)
                    beat += 1
                    if last:
                        responses.append((cycle + self.latency, response))
                        addresses.popleft()
                        beat, response = 0, _OKAY
                if awvalid and awready:
                    addresses.append(self._accept(cycle, address, length, width)[1:])
                if showing and bready:
                    responses.popleft()
                    showing = False
                cycle += 1
                ctx.set(axi.awready, not self._held_up())
                ctx.set(axi.wready, bool(addresses) and cycle >= last_beat + self.interval and not self._held_up())
                if not showing:
                    showing = bool(responses) and cycle >= responses[0][0] and not self._held_up()
                    ctx.set(axi.bvalid, showing)
                    if showing:
                        ctx.set(axi.bresp, responses[0][1])

        return bench

    def _write(self, address: int, data: int, strobes: int, width: int) -> int:
        if address >= len(self.memory):
            return _DECERR
        for lane in range(width):
            if strobes >> lane & 1:
                self.memory[address + lane] = data >> 8 * lane & 0xFF
        return _OKAY


async def _sample(ctx: Any, *signals: Any) -> tuple[int, ...]:
    """The values just before the next clock edge."""
    return (await ctx.tick().sample(*signals))[2:]
