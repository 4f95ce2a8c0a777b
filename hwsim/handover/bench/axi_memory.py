"""A memory behind the accelerator's AXI ports, for cocotb: two read ports and a write port, on the same bytes.

Without ``stall`` it is deterministic, and cycles are those of the sample's description. Per port:

- An address is taken at once.
- The first beat of a burst is presented ``latency`` cycles after its address was taken, or ``interval`` cycles after
  the last beat of the burst before was, whichever is later. The beats behind it follow at the interval.
- A beat is written ``interval`` cycles after the one before, at the earliest in the cycle after its address. The
  response comes ``latency`` cycles after the last beat.

With ``stall`` every channel is held back at random for that share of cycles. Bytes must be the same.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

from cocotb.triggers import RisingEdge

__all__ = ["Memory", "ProtocolError"]

OKAY, DECERR = 0, 3
BOUNDARY = 4096


class ProtocolError(AssertionError):
    """The accelerator did what AXI4 forbids."""


class Memory:
    """``size`` bytes that begin as ``image``, behind the ``m_axi_*`` ports of ``dut``."""

    def __init__(
        self, dut: Any, image: bytes, *, latency: int, interval: int, stall: float = 0.0, seed: int = 0
    ) -> None:
        self._dut = dut
        self.data = bytearray(image)
        timing = (latency, interval)
        self._ports = [
            _Read(dut, "m_axi_fetch", self.data, timing, _Chance(stall, seed)),
            _Read(dut, "m_axi_data", self.data, timing, _Chance(stall, seed + 1)),
            _Write(dut, "m_axi_data", self.data, timing, _Chance(stall, seed + 2)),
        ]

    async def run(self) -> None:
        """Answer for ever; to be started while the accelerator is in reset."""
        while True:
            # What is read after the edge is what was there before it.
            await RisingEdge(self._dut.clk)
            for port in self._ports:
                port.step()


class _Chance:
    def __init__(self, stall: float, seed: int) -> None:
        self._stall = stall
        self._rng = Random(seed)

    def held(self) -> bool:
        return self._stall > 0 and self._rng.random() < self._stall


class _Port:
    """Signals by the name that AXI gives them, and bursts in order."""

    def __init__(self, dut: Any, prefix: str, data: bytearray, timing: tuple[int, int], chance: _Chance) -> None:
        self._signals = {}
        self._dut, self._prefix = dut, prefix
        self._data = data
        self._latency, self._interval = timing
        self._chance = chance
        self._now = 0
        self._next_beat = 0
        self._taking = True

    def _signal(self, name: str) -> Any:
        if name not in self._signals:
            self._signals[name] = getattr(self._dut, f"{self._prefix}_{name}")
        return self._signals[name]

    def _get(self, name: str) -> int:
        return int(self._signal(name).value)

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            self._signal(name).value = value

    def _burst(self, channel: str, width: int) -> tuple[int, int]:
        """First byte and beats of the burst whose address is offered."""
        first, beats = self._get(f"{channel}addr"), self._get(f"{channel}len") + 1
        if self._get(f"{channel}burst") != 1 or 1 << self._get(f"{channel}size") != width or first % width:
            raise ProtocolError(f"{self._prefix}: a burst at {first:#x} that is not INCR, aligned and of full width")
        if first // BOUNDARY != (first + beats * width - 1) // BOUNDARY:
            raise ProtocolError(f"{self._prefix}: {beats} beats at {first:#x} cross a {BOUNDARY}-byte boundary")
        return first, beats


class _Read(_Port):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._width = len(self._signal("rdata")) // 8
        self._beats: deque[tuple[int, int, bool]] = deque()
        """Earliest cycle, address, last of its burst."""
        self._showing = False
        self._set(arready=1, rvalid=0, rid=0, rdata=0, rresp=0, rlast=0)

    def step(self) -> None:
        if self._taking and self._get("arvalid"):
            first, beats = self._burst("ar", self._width)
            due = self._now + self._latency
            self._beats.extend((due, first + i * self._width, i == beats - 1) for i in range(beats))
        if self._showing and self._get("rready"):
            self._showing = False
            self._next_beat = self._now + self._interval
            self._beats.popleft()
            self._set(rvalid=0)
        self._now += 1
        taking = not self._chance.held()
        if taking != self._taking:
            self._taking = taking
            self._set(arready=taking)
        if not self._showing and self._beats and self._now >= max(self._beats[0][0], self._next_beat):
            self._show()

    def _show(self) -> None:
        if self._chance.held():
            return
        _, address, last = self._beats[0]
        there = address + self._width <= len(self._data)
        value = int.from_bytes(self._data[address : address + self._width], "little") if there else 0
        self._showing = True
        self._set(rvalid=1, rdata=value, rlast=last, rresp=OKAY if there else DECERR)


class _Write(_Port):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._width = len(self._signal("wdata")) // 8
        self._bursts: deque[tuple[int, int]] = deque()
        """Address of the next beat, and beats that are left."""
        self._responses: deque[tuple[int, int]] = deque()
        """Earliest cycle, and response."""
        self._response = OKAY
        self._accepting = False
        self._showing = False
        self._set(awready=1, wready=0, bvalid=0, bid=0, bresp=0)

    def step(self) -> None:
        if self._accepting and self._get("wvalid"):
            self._beat()
        if self._taking and self._get("awvalid"):
            self._bursts.append(self._burst("aw", self._width))
        if self._showing and self._get("bready"):
            self._showing = False
            self._responses.popleft()
            self._set(bvalid=0)
        self._now += 1
        taking = not self._chance.held()
        accepting = bool(self._bursts) and self._now >= self._next_beat and not self._chance.held()
        if taking != self._taking or accepting != self._accepting:
            self._taking, self._accepting = taking, accepting
            self._set(awready=taking, wready=accepting)
        if not self._showing and self._responses and self._now >= self._responses[0][0] and not self._chance.held():
            self._showing = True
            self._set(bvalid=1, bresp=self._responses[0][1])

    def _beat(self) -> None:
        address, left = self._bursts[0]
        if self._get("wlast") != (left == 1):
            raise ProtocolError(f"{self._prefix}: WLAST is not with the last beat of a burst")
        data, strobes = self._signal("wdata").value, self._get("wstrb")
        if address + self._width > len(self._data):
            self._response = DECERR
        else:
            for lane in range(self._width):
                if strobes >> lane & 1:
                    # A byte at a time: those that are not written may be anything, unknown too.
                    self._data[address + lane] = int(data[8 * lane + 7 : 8 * lane])
        self._next_beat = self._now + self._interval
        self._bursts[0] = (address + self._width, left - 1)
        if left == 1:
            self._bursts.popleft()
            self._responses.append((self._now + self._latency, self._response))
            self._response = OKAY
