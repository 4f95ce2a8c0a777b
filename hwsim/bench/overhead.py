"""What cocotb costs: the same Verilated model and program under cocotb, and under a bare C++ main."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.interpreter import bind_inputs
from compiler.mapping.compile import compile_graph
from hwsim.execute import Work, place
from hwsim.inputs import random_inputs
from hwsim.network import load_network
from hwsim.simulation.build import build, runtime_folder
from hwsim.simulation.harness import harness
from hwsim.simulation.program import memory_top, simulate_programs, write_memory
from hwsim.simulation.simulators import find_compiler, verilator_include
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import load_arch

if TYPE_CHECKING:
    from hwsim.simulation.build import Build
    from hwsim.simulation.program import ProgramJob
    from rtl.config import ArchConfig

__all__ = ["Overhead", "measure"]

SOURCE = Path(__file__).with_name("bare.cpp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Nanoseconds of wall time per simulated clock cycle, the best of several runs each."""

    model: str
    arch: str
    cycles: int
    """Of the program."""
    cocotb_ns: float
    bare_ns: float

    @property
    def share(self) -> float:
        """What cocotb adds, as a share of the bare time."""
        return self.cocotb_ns / self.bare_ns - 1


def measure(model: str, arch: str, *, repeats: int = 3) -> Overhead:
    """Run ``model`` both ways, alternately, so that a busy machine slows both."""
    config = load_arch(arch)
    image, job = _job(model, config)
    design = harness(
        accelerator_verilog(config),
        data_bytes=config.bus.data_bytes,
        memory="dram",
        memory_bytes=memory_top(image, [job]),
    )
    built = build(design, "verilator")
    cycles, cocotb_ns, bare_ns = 0, [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = write_memory(folder, config, image, [job])
        program = _compile(built, folder)
        for _ in range(repeats):
            bare_ns.append(_bare(program, folder, arguments, job))
            (run,) = simulate_programs(config, image, [job])
            cycles = run.cycles
            cocotb_ns.append(run.wall_s * 1e9 / clock_cycles(config, run.cycles))
    return Overhead(model=model, arch=arch, cycles=cycles, cocotb_ns=min(cocotb_ns), bare_ns=min(bare_ns))


def clock_cycles(config: ArchConfig, cycles: int) -> int:
    """Clock cycles between start and interrupt: the accelerator clears its counters before its cycle 0."""
    return 4 * config.control.max_layers + cycles


def _job(model: str, config: ArchConfig) -> tuple[bytes, ProgramJob]:
    """The first part of ``model`` that runs without the host."""
    graph = load_network(model).graph
    program = compile_graph(graph, config)
    inputs = bind_inputs(graph, random_inputs(graph, 0))
    image, (job,) = place([Work(program, inputs)], [program.segments[0]], [inputs], 1 << 32)
    return image, job


def _compile(built: Build, folder: Path) -> Path:
    """The bare main, linked with the model that cocotb runs."""
    program = folder / "bare"
    include = verilator_include()
    objects = [*built.folder.glob("Vtop__ALL.a"), *runtime_folder(built.waves).glob("*.o")]
    command = [
        *(str(find_compiler().path), "-O2", "-std=gnu++17", "-DVM_TRACE=0", "-I", str(built.folder)),
        *("-I", str(include), "-I", str(include / "vltstd"), str(SOURCE), *map(str, objects)),
        *("-pthread", "-o", str(program)),
    ]
    subprocess.run(command, check=True)
    return program


def _bare(program: Path, folder: Path, arguments: dict[str, str | int], job: ProgramJob) -> float:
    arguments = arguments | {
        "program": job.program_address,
        "program_length": job.program_length,
        "window_base": job.window[0],
        "window_bytes": job.window[1],
    }
    words = [f"+{name}={value}" for name, value in arguments.items()]
    done = subprocess.run([program, *words], cwd=folder, check=True, capture_output=True, text=True)
    edges, seconds = done.stdout.split()
    return float(seconds) * 1e9 / (int(edges) / 2)
