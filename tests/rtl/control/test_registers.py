"""The registers behave as the map says, in every state."""

from random import Random

import pytest

from rtl import csr
from rtl.config import ArchConfig, ControlConfig
from rtl.control.axi_lite import OKAY, SLVERR
from rtl.control.registers import Registers
from rtl.counters import COUNTERS
from rtl.isa import Engine, Fault
from tests.rtl.bench import simulate
from tests.rtl.control.lite import read, write

CONFIG = ArchConfig(name="small", control=ControlConfig(max_layers=12))
REGISTERS = csr.REGISTERS
WRITABLE = [r for r in REGISTERS.values() if r.access == "config"]


def total(layer: int, index: int) -> int:
    """What the stand-in for the layer counters holds."""
    return (layer + 1) << 40 | index << 33 | index


async def counters(ctx, dut: Registers):
    asked = (0, 0)
    while True:
        ctx.set(dut.value, total(*asked))
        asked = (ctx.get(dut.layer), ctx.get(dut.index))
        await ctx.tick()


def session(bench, dut: Registers) -> None:
    async def started(ctx):
        await bench(ctx)

    async def serve(ctx):
        await counters(ctx, dut)

    simulate(dut, started, background=[serve])


@pytest.fixture
def dut() -> Registers:
    return Registers(CONFIG)


def test_constants_name_the_hardware(dut):
    seen = {}

    async def bench(ctx):
        for register in REGISTERS.values():
            if register.access == "constant":
                seen[register.name] = await read(ctx, dut.bus, register.address)

    session(bench, dut)
    assert seen["id"] == (int.from_bytes(b"HWSM", "big"), OKAY)
    assert seen["version"] == (csr.VERSION, OKAY)
    number = seen["config_hash_hi"][0] << 32 | seen["config_hash_lo"][0]
    assert f"{number:016x}" == CONFIG.rtl_hash
    assert REGISTERS["size"].unpack(seen["size"][0]) == {"layers": 12, "counters": len(COUNTERS)}


@pytest.mark.parametrize("register", WRITABLE, ids=lambda r: r.name)
def test_configuration_is_kept_byte_by_byte(dut, register):
    rng = Random(register.address)
    width = register.fields[0].width if register.fields else 32

    async def bench(ctx):
        want = register.reset
        assert await read(ctx, dut.bus, register.address) == (want, OKAY)
        for _ in range(8):
            data, strobe = rng.getrandbits(32), rng.choice([0, 15, rng.randrange(16)])
            mask = sum(0xFF << 8 * i for i in range(4) if strobe >> i & 1)
            want = (want & ~mask | data & mask) & (1 << width) - 1
            assert await write(ctx, dut.bus, register.address, data, strobe=strobe) == OKAY
            assert await read(ctx, dut.bus, register.address) == (want, OKAY)
            assert ctx.get(getattr(dut, register.name)) == want

    session(bench, dut)


def test_only_configuration_and_commands_can_be_written(dut):
    async def bench(ctx):
        for register in REGISTERS.values():
            want = OKAY if register.access in ("config", "command") else SLVERR
            assert await write(ctx, dut.bus, register.address, 0) == want, register.name

    session(bench, dut)


def test_nothing_can_be_written_while_busy(dut):
    pulses = []

    async def bench(ctx):
        for register in WRITABLE:
            await write(ctx, dut.bus, register.address, 5)
        ctx.set(dut.busy, 1)
        for register in WRITABLE:
            assert await write(ctx, dut.bus, register.address, 6) == SLVERR
            assert await read(ctx, dut.bus, register.address) == (5, OKAY)
        assert await write(ctx, dut.bus, REGISTERS["control"].address, 3) == SLVERR

    async def watch(ctx):
        while True:
            if ctx.get(dut.start) or ctx.get(dut.clear):
                pulses.append(1)
            await ctx.tick()

    simulate(dut, bench, background=[watch])
    assert pulses == []


@pytest.mark.parametrize(("word", "strobe", "start", "clear"), [(1, 15, 1, 0), (2, 15, 0, 1), (3, 14, 0, 0)])
def test_a_command_is_one_pulse(dut, word, strobe, start, clear):
    pulses = {"start": 0, "clear": 0}

    async def bench(ctx):
        await write(ctx, dut.bus, REGISTERS["control"].address, word, strobe=strobe)
        assert await read(ctx, dut.bus, REGISTERS["control"].address) == (0, OKAY)

    async def watch(ctx):
        while True:
            for name in pulses:
                pulses[name] += ctx.get(getattr(dut, name))
            await ctx.tick()

    simulate(dut, bench, background=[watch])
    assert pulses == {"start": start, "clear": clear}


def test_status_and_fault_are_seen(dut):
    async def bench(ctx):
        report = {"code": Fault.DEADLOCK, "unit": Engine.STORE, "layer": 0xABC, "layer_known": 1}
        ctx.set(dut.busy, 1)
        ctx.set(dut.fault, report)
        word, _ = await read(ctx, dut.bus, REGISTERS["status"].address)
        assert REGISTERS["status"].unpack(word) == {"busy": 1, "done": 0, "fault": 1}
        word, _ = await read(ctx, dut.bus, REGISTERS["fault"].address)
        assert REGISTERS["fault"].unpack(word) == report
        ctx.set(dut.busy, 0)
        ctx.set(dut.done, 1)
        ctx.set(dut.fault, {"code": 0})
        word, _ = await read(ctx, dut.bus, REGISTERS["status"].address)
        assert REGISTERS["status"].unpack(word) == {"busy": 0, "done": 1, "fault": 0}

    session(bench, dut)


def test_the_two_words_of_the_cycles_belong_together(dut):
    """Read while the count runs over from the low word to the high one."""

    async def bench(ctx):
        ctx.set(dut.busy, 1)
        ctx.set(dut.cycle, 0x0001_FFFF_FFFF)
        low, _ = await read(ctx, dut.bus, REGISTERS["cycles_lo"].address)
        ctx.set(dut.cycle, 0x0002_0000_0005)
        high, _ = await read(ctx, dut.bus, REGISTERS["cycles_hi"].address)
        assert high << 32 | low == 0x0001_FFFF_FFFF

    session(bench, dut)


def test_totals_of_the_chosen_layer(dut):
    async def bench(ctx):
        for layer in (0, 5, 11):
            assert await write(ctx, dut.bus, REGISTERS["layer"].address, layer) == OKAY
            names = [counter.name for counter in COUNTERS] + [f"last_retire_{e.name.lower()}" for e in Engine]
            for index in [0, 1, 7, len(COUNTERS) - 1, *range(len(COUNTERS), len(names))]:
                low = await read(ctx, dut.bus, REGISTERS[f"{names[index]}_lo"].address)
                high = await read(ctx, dut.bus, REGISTERS[f"{names[index]}_hi"].address)
                assert (low[1], high[1]) == (OKAY, OKAY)
                assert high[0] << 32 | low[0] == total(layer, index), names[index]

    session(bench, dut)


@pytest.mark.parametrize(("layer", "busy"), [(12, 0), (4095, 0), (0, 1)])
def test_totals_that_are_not_there_are_an_error(dut, layer, busy):
    async def bench(ctx):
        await write(ctx, dut.bus, REGISTERS["layer"].address, layer)
        ctx.set(dut.busy, busy)
        for register in REGISTERS.values():
            if register.access == "layer":
                assert (await read(ctx, dut.bus, register.address))[1] == SLVERR, register.name

    session(bench, dut)


def test_addresses_that_are_no_register_answer_with_an_error(dut):
    free = sorted(set(range(0, 1 << csr.ADDRESS_BITS, 4)) - {r.address for r in REGISTERS.values()})
    rng = Random(1)
    last = max(r.address for r in REGISTERS.values())
    corners = {free[0], free[-1], last + 4, csr.RETIRE_BASE - 4, csr.RETIRE_BASE + 32, csr.COUNTER_BASE - 4}
    assert corners <= set(free)

    async def bench(ctx):
        for address in [*sorted(corners), *rng.sample(free, 20)]:
            assert (await read(ctx, dut.bus, address))[1] == SLVERR, hex(address)
            assert await write(ctx, dut.bus, address, 1) == SLVERR, hex(address)

    session(bench, dut)


def test_every_register_of_the_map_answers():
    """In hardware of the most layers, all of it readable when idle."""
    dut = Registers(ArchConfig(control=ControlConfig(max_layers=1024)))

    async def bench(ctx):
        for register in REGISTERS.values():
            assert (await read(ctx, dut.bus, register.address))[1] == OKAY, register.name

    session(bench, dut)
