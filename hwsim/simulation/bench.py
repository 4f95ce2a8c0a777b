"""The bench that runs inside the simulator: programs the registers, starts, waits for the interrupt, reads back.

Between start and interrupt no Python runs but a timer that reports progress a few times a second.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from hwsim.simulation.memories import attach
from hwsim.simulation.registers import Registers
from hwsim.simulation.session import PROGRESS, Job, JobResult, Session, dump_name, write_results
from rtl.counters import COUNTERS
from rtl.csr import MAGIC, REGISTERS, VERSION
from rtl.isa import Engine

CLOCK_NS = 10
FIRST_LOOK_CYCLES = 20_000
LOOK_SECONDS = 0.25
"""How often to report progress."""
DRAIN_LOOKS = 10_000


class NoEndError(RuntimeError):
    """The accelerator neither finished nor raised a fault."""


@cocotb.test()
async def session(dut: Any) -> None:
    """Run the jobs of the session in the current folder, and leave the results there."""
    folder = Path.cwd()
    plan = Session.load(folder)
    registers = Registers(dut)
    for port in (dut.free_run, dut.dump):
        port.value = 0
    dut.rst.value = 1
    memory = attach(dut, plan, folder)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)

    identity = await registers.read("id"), await registers.read("version")
    if identity != (MAGIC, VERSION):
        raise RuntimeError(f"this is no accelerator of ours: id {identity[0]:#x}, version {identity[1]}")
    results = []
    for index, job in enumerate(plan.jobs):
        results.append(await run_job(dut, registers, job, folder, free_run=memory.free_run))
        await memory.dump(folder / dump_name(index))
    write_results(folder, results)


async def run_job(dut: Any, registers: Registers, job: Job, folder: Path, *, free_run: bool) -> JobResult:
    """From programming the registers to reading the counters of one program."""
    await registers.write("program", job.program_address)
    await registers.write("program_length", job.program_length)
    await registers.write("window_base", job.window_base)
    await registers.write("window_bytes", job.window_bytes)
    start = time.perf_counter()
    await registers.write("control", REGISTERS["control"].pack(start=1))
    await interrupt(dut, job.max_cycles, folder / PROGRESS, free_run=free_run)
    wall_s = time.perf_counter() - start

    status = await registers.fields("status")
    fault = await registers.fields("fault")
    cycles = await registers.read_pair("cycles")
    await drained(dut, registers)
    counters, last_retire = [], []
    for layer in range(job.layers):
        await registers.write("layer", layer)
        counters.append([await registers.read_pair(counter.name) for counter in COUNTERS])
        last_retire.append([await registers.read_pair(f"last_retire_{engine.name.lower()}") for engine in Engine])
    await registers.write("control", REGISTERS["control"].pack(clear=1))
    return JobResult(
        cycles=cycles,
        done=bool(status["done"]),
        fault_code=fault["code"] if status["fault"] else 0,
        fault_unit=fault["unit"],
        fault_layer=fault["layer"] if fault["layer_known"] else None,
        counters=counters,
        last_retire=last_retire,
        wall_s=wall_s,
    )


async def drained(dut: Any, registers: Registers) -> None:
    """Wait for the bus transactions that a fault left open.

    Raises:
        NoEndError: they stay open.

    """
    for _ in range(DRAIN_LOOKS):
        if not (await registers.fields("status"))["busy"]:
            return
        await ClockCycles(dut.clk, 16)
    raise NoEndError("the accelerator raised its interrupt, but stays busy")


async def interrupt(dut: Any, max_cycles: int, progress: Path, *, free_run: bool) -> None:
    """Wait for ``irq``.

    Raises:
        NoEndError: it did not come within ``max_cycles``.

    """
    passed, look = 0, FIRST_LOOK_CYCLES
    dut.free_run.value = free_run
    while not dut.irq.value:
        if passed >= max_cycles:
            raise NoEndError(
                f"no interrupt within {max_cycles} cycles: the accelerator hangs, or max_cycles is too low"
            )
        step = min(look, max_cycles - passed)
        began = time.perf_counter()
        await First(RisingEdge(dut.irq), Timer(step * CLOCK_NS, unit="ns"))
        passed += step
        progress.write_text(str(passed))
        # As many cycles as the simulator makes between two looks, whatever its speed.
        look = max(1000, int(step * LOOK_SECONDS / max(time.perf_counter() - began, 1e-6)))
    dut.free_run.value = 0
