"""The cocotb half of test_dram.py: random traffic on every port of dram.v, each cycle checked against the rule."""

import os
from pathlib import Path
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Combine, RisingEdge

from hwsim.simulation.dram import read_words

WIDTH = int(os.environ["DRAM_WIDTH"])
WORDS = int(os.environ["DRAM_WORDS"])
LATENCY = int(os.environ["DRAM_LATENCY"])
INTERVAL = int(os.environ["DRAM_INTERVAL"])
SEED = int(os.environ["DRAM_SEED"])
BURSTS = 60
SIZE = WIDTH.bit_length() - 1

OKAY, SLVERR, DECERR = 0, 2, 3


def word(number: int) -> int:
    """What the image has there: the test writes the same."""
    return int.from_bytes(Random(number).randbytes(WIDTH), "little")


def random_burst(rng: Random) -> dict[str, int]:
    """Address, length, size and type, rarely wrong and rarely beyond the memory."""
    beats = rng.choice([1, 1, 2, 4, rng.randint(1, 16)])
    page = rng.randrange(WORDS * WIDTH // 4096 + (rng.random() < 0.2))
    at = page * 4096 + WIDTH * rng.randint(0, 4096 // WIDTH - beats)
    burst = {"addr": at, "len": beats - 1, "size": SIZE, "burst": 1}
    if rng.random() < 0.1:
        burst |= rng.choice(
            [{"burst": 0}, {"size": 1}, {"addr": at + 1}, {"addr": page * 4096 + 4096 - WIDTH, "len": 1}]
        )
    return burst


def response(burst: dict[str, int], beat: int) -> int:
    end = burst["addr"] % 4096 + (burst["len"] + 1) * WIDTH
    if burst["burst"] != 1 or burst["size"] != SIZE or burst["addr"] % WIDTH or end > 4096:
        return SLVERR
    return OKAY if burst["addr"] // WIDTH + beat < WORDS else DECERR


def cycles(dut):
    """Ticks of the clock; what is read after one is from before the edge, what is set comes after it."""
    return RisingEdge(dut.clk)


class Channel:
    """Signals of a port by their short names."""

    def __init__(self, dut, prefix: str) -> None:
        self.dut = dut
        self.prefix = prefix

    def get(self, name: str) -> int:
        return int(getattr(self.dut, f"{self.prefix}_{name}").value)

    def set(self, name: str, value: int) -> None:
        getattr(self.dut, f"{self.prefix}_{name}").value = value

    def offer(self, prefix: str, burst: dict[str, int] | None) -> None:
        self.set(f"{prefix}valid", burst is not None)
        for name, value in (burst or {}).items():
            self.set(prefix + name, value)


async def read_port(dut, prefix: str, seed: int) -> None:
    rng = Random(seed)
    port = Channel(dut, prefix)
    idle, patience = rng.choice([0, 0.7, 0.97]), rng.choice([1, 1, 0.5])
    offered, ready, cycle, last = None, 0, 0, -INTERVAL
    sent, due, seen, was_waiting = 0, [], 0, False
    while seen < BURSTS:
        await cycles(dut)
        if offered and port.get("arready"):
            due += [(cycle + LATENCY if i == 0 else 0, offered, i) for i in range(offered["len"] + 1)]
            offered, sent = None, sent + 1
        # A beat is presented in the first cycle in which it may be, and stays.
        valid = port.get("rvalid")
        expected = bool(due) and (was_waiting or cycle >= max(due[0][0], last + INTERVAL))
        assert valid == expected, f"{prefix}: rvalid in cycle {cycle}"
        was_waiting = expected and not ready
        if valid:
            _, burst, beat = due[0]
            assert port.get("rresp") == response(burst, beat)
            assert port.get("rlast") == (beat == burst["len"])
            if response(burst, beat) == OKAY:
                assert port.get("rdata") == word(burst["addr"] // WIDTH + beat)
            if ready:
                last = cycle
                seen += beat == burst["len"]
                due.pop(0)
        if offered is None and sent < BURSTS and rng.random() >= idle:
            offered = random_burst(rng)
        port.offer("ar", offered)
        ready = rng.random() < patience
        port.set("rready", ready)
        cycle += 1


async def write_port(dut, expected: dict[int, int]) -> None:
    rng = Random(SEED + 2)
    port = Channel(dut, "m_axi_data")
    idle, patience, eager = rng.choice([0, 0.9]), rng.choice([1, 0.5]), rng.choice([1, 0.5])
    offered, cycle, last = None, 0, -INTERVAL
    sent, seen, to_write, due = 0, 0, [], []
    beat, showing, bready, was_waiting, answer = 0, None, 0, False, OKAY
    while seen < BURSTS:
        await cycles(dut)
        may_write = bool(to_write) and cycle >= max(to_write[0][0] + 1, last + INTERVAL)
        assert port.get("wready") == may_write, f"wready in cycle {cycle}"
        if offered and port.get("awready"):
            to_write.append((cycle, offered))
            offered, sent = None, sent + 1
        if showing is not None and may_write:
            data, strobes = showing
            _, burst = to_write[0]
            refused = response(burst, beat)
            answer = answer or refused
            if refused == OKAY:
                number = burst["addr"] // WIDTH + beat
                mask = sum(0xFF << 8 * i for i in range(WIDTH) if strobes >> i & 1)
                expected[number] = expected[number] & ~mask | data & mask
            last, showing = cycle, None
            beat += 1
            if beat == burst["len"] + 1:
                due.append((cycle + LATENCY, answer))
                to_write.pop(0)
                beat, answer = 0, OKAY
        responds = bool(due) and (was_waiting or cycle >= due[0][0])
        assert port.get("bvalid") == responds, f"bvalid in cycle {cycle}"
        was_waiting = responds and not bready
        if responds:
            assert port.get("bresp") == due[0][1]
            if bready:
                due.pop(0)
                seen += 1
        if offered is None and sent < BURSTS and rng.random() >= idle:
            offered = random_burst(rng)
        port.offer("aw", offered)
        if showing is None and to_write and rng.random() < eager:
            showing = rng.getrandbits(8 * WIDTH), rng.choice([(1 << WIDTH) - 1, rng.getrandbits(WIDTH)])
        port.set("wvalid", showing is not None)
        if showing is not None:
            port.set("wdata", showing[0])
            port.set("wstrb", showing[1])
            port.set("wlast", beat == to_write[0][1]["len"])
        bready = rng.random() < patience
        port.set("bready", bready)
        cycle += 1


@cocotb.test()
async def traffic(dut) -> None:
    """All ports at once; then the memory is dumped. No port sees the others, but for the bytes."""
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    for prefix, channels in (("m_axi_fetch", ("ar",)), ("m_axi_data", ("ar", "aw"))):
        port = Channel(dut, prefix)
        for channel in channels:
            for name in ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos", "valid"):
                port.set(channel + name, 0)
        port.set("rready", 0)
    for name in ("wdata", "wstrb", "wlast", "wvalid", "bready"):
        Channel(dut, "m_axi_data").set(name, 0)
    dut.dump.value = 0
    dut.rst.value = 1
    await cycles(dut)
    await cycles(dut)
    dut.rst.value = 0
    await cycles(dut)

    memory = {number: word(number) for number in range(WORDS)}
    reads = [
        cocotb.start_soon(read_port(dut, prefix, SEED + i)) for i, prefix in enumerate(["m_axi_fetch", "m_axi_data"])
    ]
    await Combine(*reads)
    await write_port(dut, memory)
    dut.dump.value = 1
    await cycles(dut)
    await cycles(dut)

    dumped = read_words(Path("dump.hex"), WIDTH, WORDS // 2)
    assert dumped == b"".join(memory[number].to_bytes(WIDTH, "little") for number in range(WORDS // 2, WORDS))
