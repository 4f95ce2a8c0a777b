"""Run compiled programs on the RTL and hand back what it answered."""

from __future__ import annotations

import errno
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim.errors import SimulationError, ToolError
from hwsim.simulation.build import build, waves_format
from hwsim.simulation.dram import DUMP_FILE, IMAGE_FILE, RAW_IMAGE_FILE, read_words, write_words
from hwsim.simulation.harness import MemoryKind, harness
from hwsim.simulation.runner import run
from hwsim.simulation.session import Job, JobResult, Session, dump_name, read_results
from hwsim.simulation.simulators import check_simulator
from hwsim.simulation.verilog import accelerator_verilog
from rtl.isa import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rtl.config import ArchConfig

__all__ = ["MAX_CYCLES", "ProgramJob", "RtlRun", "memory_top", "simulate_program", "simulate_programs", "write_memory"]

MAX_CYCLES = 1 << 32
"""Cycles after which a simulation is given up, unless the caller knows better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramJob:
    """A program in the memory image, and what to read back when it has run."""

    program_address: int
    """Byte address of the first instruction, a multiple of 32."""
    program_length: int
    """Instructions, END included."""
    window: tuple[int, int]
    """Base and bytes of the DRAM window that instructions may touch."""
    outputs: tuple[tuple[int, int], ...]
    """Byte address and bytes of each tensor to read back."""
    layers: int
    """Layers whose counters to read."""
    max_cycles: int = MAX_CYCLES


@dataclass(frozen=True, slots=True, kw_only=True)
class RtlRun:
    """What the hardware did."""

    cycles: int
    done: bool
    """The program reached its end."""
    fault: Fault
    """Why it did not, or NONE."""
    fault_unit: int
    """Who saw the fault: an :class:`rtl.isa.Engine`, or 4 for dispatch, 5 for fetch."""
    fault_layer: int | None
    counters: np.ndarray
    """int64 ``[layers, counters]``, in the order of :data:`rtl.counters.COUNTERS`."""
    last_retire: np.ndarray
    """int64 ``[layers, engines]``: cycle of each engine's last retirement for the layer; 0 for none."""
    outputs: tuple[bytes, ...]
    wall_s: float
    """Between start and interrupt."""
    build_s: float
    """Spent compiling the simulator; 0 when it was in the cache."""


def simulate_program(
    config: ArchConfig,
    image: bytes,
    *,
    program_address: int,
    program_length: int,
    window: tuple[int, int],
    outputs: Sequence[tuple[int, int]],
    layers: int,
    max_cycles: int = MAX_CYCLES,
    simulator: str = "verilator",
    memory: MemoryKind = "dram",
    waves: Path | None = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> RtlRun:
    """Run one program; the arguments are those of :class:`ProgramJob` and of :func:`simulate_programs`."""
    job = ProgramJob(
        program_address=program_address,
        program_length=program_length,
        window=window,
        outputs=tuple(outputs),
        layers=layers,
        max_cycles=max_cycles,
    )
    (result,) = simulate_programs(
        config, image, [job], simulator=simulator, memory=memory, waves=waves, seed=seed, progress=progress
    )
    return result


def simulate_programs(
    config: ArchConfig,
    image: bytes,
    jobs: Sequence[ProgramJob],
    *,
    simulator: str = "verilator",
    memory: MemoryKind = "dram",
    waves: Path | None = None,
    seed: int = 0,
    stall: float = 0.3,
    progress: Callable[[int], None] | None = None,
    verilog: str | None = None,
) -> list[RtlRun]:
    """Run programs one after the other, in one simulator, on a memory that begins as ``image`` and is kept.

    ``memory`` is ``dram``, deterministic with the latency and interval of ``config.dram``, whose cycles are those that
    the model predicts; or ``axiram``, which answers at random by ``seed`` and holds each channel back for the share
    ``stall`` of the time: a test of the protocol, with Python in every cycle. ``waves`` is a ``.fst`` or ``.vcd`` file
    to write. ``progress`` is called a few times a second, from another thread, with the cycles of the current job.
    ``verilog`` takes the place of the accelerator that ``config`` describes.

    Raises:
        SimulationError: it does not compile, or a program neither ended nor faulted. The message names the log.
        ToolError: a simulator or compiler is missing.

    """
    name = check_simulator(simulator)
    text = accelerator_verilog(config) if verilog is None else verilog
    data_bytes = config.bus.data_bytes
    top = memory_top(image, jobs)
    built = build(
        harness(text, data_bytes=data_bytes, memory=memory, memory_bytes=top), name, waves=waves_format(waves)
    )
    with _run_folder() as folder:
        plusargs = write_memory(folder, config, image, jobs)
        Session(
            jobs=tuple(_session_job(job) for job in jobs), memory=memory, memory_bytes=max(top, 1), stall=stall
        ).save(folder)
        run(built, "hwsim.simulation.bench", folder, plusargs=plusargs, seed=seed, waves=waves, progress=progress)
        results = []
        for index, (job, result) in enumerate(zip(jobs, read_results(folder), strict=True)):
            base, contents = 0, b""
            if memory == "axiram":
                contents = (folder / dump_name(index)).read_bytes()
            elif job.outputs:
                first, _ = _dump_range(jobs, data_bytes)
                base, contents = first * data_bytes, read_words(folder / dump_name(index), data_bytes, first)
            results.append(_rtl_run(job, result, contents, base, built.seconds))
    return results


def memory_top(image: bytes, jobs: Sequence[ProgramJob]) -> int:
    """Bytes of memory that the jobs need."""
    return max([len(image), *(address + size for job in jobs for address, size in (job.window, *job.outputs))])


def write_memory(folder: Path, config: ArchConfig, image: bytes, jobs: Sequence[ProgramJob]) -> dict[str, str | int]:
    """Write the image where a simulation in ``folder`` loads it; return the arguments that say so (see dram.v)."""
    data_bytes = config.bus.data_bytes
    words = write_words(folder / IMAGE_FILE, image, data_bytes)
    (folder / RAW_IMAGE_FILE).write_bytes(image)
    first, last = _dump_range(jobs, data_bytes)
    return {
        "dram_load": IMAGE_FILE,
        "dram_load_last": words - 1,
        "dram_dump": DUMP_FILE,
        "dram_dump_first": first,
        "dram_dump_last": last,
        "dram_latency": config.dram.latency_cycles,
        "dram_interval": config.dram.beat_interval,
    }


def _session_job(job: ProgramJob) -> Job:
    return Job(
        program_address=job.program_address,
        program_length=job.program_length,
        window_base=job.window[0],
        window_bytes=job.window[1],
        layers=job.layers,
        max_cycles=job.max_cycles,
    )


def _dump_range(jobs: Sequence[ProgramJob], data_bytes: int) -> tuple[int, int]:
    """First and last word that holds an output."""
    ranges = [r for job in jobs for r in job.outputs] or [(0, 1)]
    first = min(address for address, _ in ranges)
    end = max(address + size for address, size in ranges)
    return first // data_bytes, max(end - 1, first) // data_bytes


def _rtl_run(job: ProgramJob, result: JobResult, contents: bytes, base: int, build_s: float) -> RtlRun:
    return RtlRun(
        cycles=result.cycles,
        done=result.done,
        fault=Fault(result.fault_code),
        fault_unit=result.fault_unit,
        fault_layer=result.fault_layer,
        counters=np.array(result.counters, dtype=np.int64).reshape(job.layers, -1),
        last_retire=np.array(result.last_retire, dtype=np.int64).reshape(job.layers, -1),
        outputs=tuple(contents[address - base : address - base + size] for address, size in job.outputs),
        wall_s=result.wall_s,
        build_s=build_s,
    )


@contextmanager
def _run_folder() -> Iterator[Path]:
    """A folder for the files of one run; kept, with its log, when the run fails."""
    folder = Path(tempfile.mkdtemp(prefix="hwsim-"))
    try:
        yield folder
    except SimulationError:
        raise
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if error.errno == errno.ENOSPC:
            raise ToolError(f"{folder.parent} is full: free some space, or name another folder in TMPDIR") from error
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
