"""The accelerator runs its sample program: bytes, cycles and counters are those of ``sample/sample.json``.

Needs cocotb 2 and a simulator, nothing else. ``make`` in the folder above runs it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
from axi_memory import Memory
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer
from registers import RegisterError, Registers

FOLDER = Path(__file__).resolve().parent.parent
SAMPLE: dict[str, Any] = json.loads((FOLDER / "sample" / "sample.json").read_text())
CLOCK_NS = 10
NOWHERE = 0xFFC
"""An address without a register."""


def image() -> bytes:
    """Memory before the program runs, as ``sample/image.hex`` has it: words of the bus, first byte lowest."""
    words = (FOLDER / "sample" / "image.hex").read_text().split()
    return b"".join(bytes.fromhex(word)[::-1] for word in words)


def expected(output: dict[str, Any]) -> bytes:
    """What the program must leave in memory as ``output``."""
    return bytes.fromhex((FOLDER / "sample" / output["file"]).read_text())


async def begin(dut: Any, *, stall: float = 0.0, contents: bytes | None = None) -> tuple[Registers, Memory]:
    """Clock, memory and reset."""
    cocotb.start_soon(Clock(dut.clk, CLOCK_NS, unit="ns").start())
    dut.rst.value = 1
    registers = Registers(dut, FOLDER / "doc" / "registers.json")
    dram = SAMPLE["dram"]
    memory = Memory(
        dut,
        image() if contents is None else contents,
        latency=dram["latency_cycles"],
        interval=dram["beat_interval"],
        stall=stall,
        seed=cocotb.RANDOM_SEED,
    )
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    cocotb.start_soon(memory.run())
    await ClockCycles(dut.clk, 2)
    return registers, memory


async def run(dut: Any, registers: Registers) -> dict[str, int]:
    """From start to interrupt; the status then, once nothing is open on the bus."""
    for name, value in SAMPLE["program"].items():
        await registers.write(name, value)
    await registers.write_fields("control", start=1)
    limit = 1000 + 50 * SAMPLE["cycles"]
    await First(RisingEdge(dut.irq), Timer(limit * CLOCK_NS, unit="ns"))
    assert dut.irq.value, f"no interrupt within {limit} cycles"
    while (status := await registers.fields("status"))["busy"]:
        await ClockCycles(dut.clk, 16)
    return status


def check_outputs(memory: Memory) -> None:
    """Every byte of every output."""
    for output in SAMPLE["outputs"]:
        first, right = output["address"], expected(output)
        found = bytes(memory.data[first : first + len(right)])
        wrong = [at for at in range(len(right)) if found[at] != right[at]]
        assert not wrong, f"{output['tensor']}: {len(wrong)} of {len(right)} bytes differ, the first at {wrong[0]}"


async def check_counters(registers: Registers) -> None:
    """Every counter of every layer."""
    for layer, right in enumerate(SAMPLE["layers"]):
        await registers.write("layer", layer)
        for name, value in (right["counters"] | right["last_retire"]).items():
            found = await registers.read_pair(name)
            assert found == value, f"layer {layer} ({right['name']}): {name} is {found}, not {value}"


@cocotb.test()
async def test_the_hardware_says_what_it_is(dut: Any) -> None:
    """Constant registers read as they should, and an address without a register answers with an error."""
    registers, _ = await begin(dut)
    for name, value in SAMPLE["constants"].items():
        found = await registers.read(name)
        assert found == value, f"{name} reads {found:#x}, not {value:#x}"
    try:
        await registers.read_address(NOWHERE)
    except RegisterError:
        return
    raise AssertionError(f"there is a register at {NOWHERE:#x}")


@cocotb.test()
async def test_the_sample_program_runs_to_the_byte_and_to_the_cycle(dut: Any) -> None:
    """On the deterministic memory, bytes, cycles and counters are as predicted."""
    registers, memory = await begin(dut)
    status = await run(dut, registers)
    assert status == {"busy": 0, "done": 1, "fault": 0}
    check_outputs(memory)
    cycles = await registers.read_pair("cycles")
    assert cycles == SAMPLE["cycles"], f"{cycles} cycles, not {SAMPLE['cycles']}"
    await check_counters(registers)


@cocotb.test()
async def test_a_memory_that_answers_at_random_changes_no_byte(dut: Any) -> None:
    """Every channel is held back at random; what is computed stays the same."""
    registers, memory = await begin(dut, stall=0.4)
    status = await run(dut, registers)
    assert status == {"busy": 0, "done": 1, "fault": 0}
    check_outputs(memory)


@cocotb.test()
async def test_a_program_that_is_none_stops_with_a_fault(dut: Any) -> None:
    """Zeros are no instructions: the fault is raised, the interrupt too, and nothing is written."""
    blank = bytes(len(image()))
    registers, memory = await begin(dut, contents=blank)
    status = await run(dut, registers)
    assert status == {"busy": 0, "done": 0, "fault": 1}
    assert (await registers.fields("fault"))["code"] == SAMPLE["faults"]["OPCODE"]
    assert memory.data == blank
