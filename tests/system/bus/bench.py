"""The tests that run inside the simulator; ``tests/system/test_bus.py`` says of each whether it passed."""

from __future__ import annotations

from random import Random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiResp

from rtl import csr
from rtl.isa import End, Engine, Fault, Instruction, Load, PostFill, Space, Store
from tests.system.bus.rig import MEMORY_CHANNELS, Rig
from tests.system.bus.work import PAGE, code

UNITS = {"fetch": 5, "load": int(Engine.LOAD), "store": int(Engine.STORE)}


async def begun(dut: Any) -> Rig:
    rig = Rig(dut)
    await rig.begin()
    return rig


@cocotb.test()
async def every_channel_held_back_alone_and_all_together(dut: Any) -> None:
    rig = await begun(dut)
    await rig.run_work()
    for name in MEMORY_CHANNELS:
        rig.hold_back(0.8, name)
        await rig.run_work()
    for share in (0.2, 0.6):
        rig.hold_back(share)
        await rig.run_work()


@cocotb.test()
async def registers_under_back_pressure(dut: Any) -> None:
    """Writes of configuration are kept, everything else answers as the map says, whatever the host's pace."""
    rig, kept = await begun(dut), {r.name: r.reset for r in csr.REGISTERS.values() if r.access == "config"}
    known = {r.address: r for r in csr.REGISTERS.values()}
    constants = csr.constants(rig.config)
    for share in (0.0, 0.5):
        rig.hold_back_host(share)
        for _ in range(60):
            address = rig.rng.choice([*known, 4 * rig.rng.randrange(1 << (csr.ADDRESS_BITS - 2))])
            register = known.get(address)
            access = register.access if register else None
            if register and access == "config" and rig.rng.random() < 0.6:
                value = rig.rng.getrandbits(32)
                assert await rig.write(register.name, value) == AxiResp.OKAY
                kept[register.name] = value & (register.fields[0].mask if register.fields else 0xFFFF_FFFF)
            elif access != "command" and rig.rng.random() < 0.2:
                answer = await rig.host.write(address, bytes(4))
                if register and access == "config":
                    kept[register.name] = 0
                assert (answer.resp == AxiResp.OKAY) == (access == "config"), f"{address:#x}"
            elif access != "layer":
                answer = await rig.host.read(address, 4)
                assert (answer.resp == AxiResp.OKAY) == (register is not None), f"{address:#x}"
                expected = (kept | constants).get(register.name) if register else None
                if expected is not None:
                    assert int.from_bytes(answer.data, "little") == expected, f"{address:#x}"
    assert not dut.irq.value


@cocotb.test()
async def errors_on_every_port_stop_the_run(dut: Any) -> None:
    """SLVERR or DECERR on a beat or a burst is the fault BUS, and the next run is as ever."""
    rig = await begun(dut)
    for port, unit in UNITS.items():
        for response in (AxiResp.SLVERR, AxiResp.DECERR):
            rig.place_work()
            rig.hold_back(rig.rng.choice([0.0, 0.4]))
            rig.answers[port].fail(0 if port == "store" else rig.rng.randrange(4), response)
            await rig.start()
            status, fault = await rig.outcome()
            assert status == {"busy": 0, "done": 0, "fault": 1}, (port, response)
            assert (fault["code"], fault["unit"]) == (Fault.BUS, unit), (port, response, fault)
            await rig.run_work()


@cocotb.test()
async def reset_in_the_middle_of_a_transfer(dut: Any) -> None:
    """Whatever it was doing, after reset the accelerator is idle, and a run is as ever."""
    rig = await begun(dut)
    for trial in range(6):
        rig.hold_back(rig.rng.choice([0.0, 0.5]))
        rig.place_work()
        await rig.start()
        await ClockCycles(dut.clk, rig.rng.randrange(20, 300))
        await rig.reset(rig.rng.randint(2, 4))
        assert await rig.fields("status") == {"busy": 0, "done": 0, "fault": 0}, trial
        assert not dut.irq.value
        assert await rig.read("program") == 0
        await rig.run_work()


@cocotb.test()
async def transfers_over_page_boundaries(dut: Any) -> None:
    """No burst crosses 4 KiB (cocotbext-axi holds it to that), and rows that do arrive whole."""
    rig = await begun(dut)
    for _ in range(4):
        rig.hold_back(rig.rng.choice([0.0, 0.4]))
        await crossing(rig, Random(rig.rng.random()))


async def crossing(rig: Rig, rng: Random) -> None:
    """Rows of one value stored over several boundaries, and loads of the same bytes; nothing beside them changes."""
    row_bytes = rng.randint(1, 400)
    value, rows = rng.randint(-128, 127), rng.randint(1, 3)
    stride = rng.choice([row_bytes, PAGE, PAGE + 1, PAGE - 3])
    first = PAGE - rng.randint(1, row_bytes)
    base = PAGE * rng.randint(1, 3)
    move = {"rows": rows, "row_bytes": row_bytes, "dram": first, "dram_stride": stride}
    program: list[Instruction] = [
        PostFill(value=value, spad=0, rows=1, row_bytes=row_bytes, spad_stride=0, signal=1 << Engine.STORE),
        Store(spad=0, spad_stride=0, wait=1 << Engine.POST, signal=1 << Engine.LOAD, **move),
        Load(space=Space.IFM, spad=0, spad_stride=0, wait=1 << Engine.STORE, **move),
        End(),
    ]
    before = bytearray(rng.randbytes(len(rig.memory)))
    address = len(before) - PAGE
    before[address : address + len(code(program))] = code(program)
    rig.memory[:] = bytes(before)
    window = first + (rows - 1) * stride + row_bytes
    await rig.start(program=address, program_length=len(program), window_base=base, window_bytes=window)
    status, fault = await rig.outcome()
    assert status == {"busy": 0, "done": 1, "fault": 0}, fault
    for row in range(rows):
        at = base + first + row * stride
        before[at : at + row_bytes] = bytes([value & 0xFF]) * row_bytes
    assert rig.memory[:] == bytes(before)
    # One byte less, and the last row leaves the window.
    await rig.start(program=address, program_length=len(program), window_base=base, window_bytes=window - 1)
    status, fault = await rig.outcome()
    assert (status["fault"], fault["code"], fault["unit"]) == (1, Fault.DRAM, Engine.STORE)


@cocotb.test()
async def a_bus_that_stops_answering_is_a_fault(dut: Any) -> None:
    """TIMEOUT, by the port that waits; once the bus answers again, busy falls and a run is as ever."""
    rig = await begun(dut)
    for name in MEMORY_CHANNELS:
        port = name.partition("_")[0]
        rig.place_work()
        rig.channels[name].pause = True
        await rig.start(bus_timeout=200)
        await rig.interrupt()
        fault = await rig.fields("fault")
        assert (fault["code"], fault["unit"]) == (Fault.TIMEOUT, UNITS[port]), (name, fault)
        assert (await rig.fields("status"))["busy"], name
        rig.channels[name].pause = False
        status, _ = await rig.outcome()
        assert status == {"busy": 0, "done": 0, "fault": 1}, name
        await rig.run_work()


@cocotb.test()
async def configuration_is_refused_while_busy(dut: Any) -> None:
    """Every write then answers with an error and has no effect; the run comes to the same."""
    rig = await begun(dut)
    rig.place_work()
    rig.hold_back(0.7)
    await rig.start()
    for name in ("program", "window_base", "window_bytes", "bus_timeout", "control"):
        assert await rig.write(name, 3) == AxiResp.SLVERR
    status, _ = await rig.outcome()
    assert status["done"]
    assert await rig.read("window_bytes") == rig.work.window_bytes
