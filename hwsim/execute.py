"""Run compiled programs on the RTL, with the host's operators in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.interpreter import execute as run_operator
from compiler.ir.integer import IntegerOp
from compiler.program.program import HostStep, Segment
from hwsim.errors import SimulationError
from hwsim.progress import SILENT
from hwsim.simulation.program import ProgramJob, RtlRun, simulate_programs
from rtl.isa import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from compiler.program.program import Program
    from hwsim.progress import Reporter
    from hwsim.simulation.harness import MemoryKind
    from rtl.config import ArchConfig

__all__ = ["Execution", "Work", "execute", "place"]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A program and the values of the graph's inputs, by tensor, laid out ``[height, width, channels]``."""

    program: Program
    inputs: dict[str, NDArray]


@dataclass(frozen=True, slots=True, eq=False)
class Execution:
    """What a :class:`Work` came to."""

    values: dict[str, NDArray]
    """Every tensor that DRAM or the host held in the end."""
    runs: tuple[RtlRun, ...]
    """One per segment."""

    @property
    def cycles(self) -> int:
        """Over all segments."""
        return sum(run.cycles for run in self.runs)

    @property
    def counters(self) -> NDArray[np.int64]:
        """``[layers, counters]``."""
        return np.sum([run.counters for run in self.runs], axis=0)


def execute(
    works: Sequence[Work],
    graph: Graph,
    config: ArchConfig,
    *,
    simulator: str = "verilator",
    memory: MemoryKind = "dram",
    waves: Path | None = None,
    seed: int = 0,
    max_cycles: int,
    reporter: Reporter = SILENT,
) -> list[Execution]:
    """Run ``works``, all programs of ``graph`` for ``config``, in one simulator where no host operator divides them.

    Raises:
        SimulationError: a program faulted, or did not end within ``max_cycles``.
        ToolError: a simulator or compiler is missing.

    """
    values = [dict(work.inputs) for work in works]
    runs: list[list[RtlRun]] = [[] for _ in works]
    operators = {op.name: op for op in graph.select(IntegerOp)}
    for step in range(len(works[0].program.steps)):
        current = [work.program.steps[step] for work in works]
        if isinstance(current[0], HostStep):
            for value in values:
                op = operators[current[0].operator]
                value[op.output] = run_operator(graph, op, value)
            continue
        segments = [s for s in current if isinstance(s, Segment)]
        images, jobs = place(works, segments, values, max_cycles)
        reporter.stage(f"simulating in {simulator}", None)
        results = simulate_programs(
            config, images, jobs, simulator=simulator, memory=memory, waves=waves, seed=seed, progress=reporter.at
        )
        for index, (work, result) in enumerate(zip(works, results, strict=True)):
            _check(result)
            runs[index].append(result)
            for (name, at), data in zip(work.program.tensors.items(), result.outputs, strict=True):
                values[index][name] = np.frombuffer(data, np.int8).reshape(at.shape)
    return [Execution(value, tuple(run)) for value, run in zip(values, runs, strict=True)]


def place(
    works: Sequence[Work], segments: Sequence[Segment], values: Sequence[dict[str, NDArray]], max_cycles: int
) -> tuple[bytes, list[ProgramJob]]:
    """One memory with the image of each work behind the other's, each its own DRAM window."""
    images, jobs = [], []
    base = 0
    for work, segment, value in zip(works, segments, values, strict=True):
        program = work.program
        image = program.image.copy()
        for name in program.tensors:
            if name in value:
                program.place(image, name, value[name])
        images.append(image)
        jobs.append(
            ProgramJob(
                program_address=base + segment.address,
                program_length=len(segment.instructions),
                window=(base, program.window_bytes),
                outputs=tuple((base + at.address, at.size) for at in program.tensors.values()),
                layers=len(program.layers),
                max_cycles=max_cycles,
            )
        )
        base += image.size
    return b"".join(image.tobytes() for image in images), jobs


def _check(run: RtlRun) -> None:
    if run.fault != Fault.NONE:
        where = f" in layer {run.fault_layer}" if run.fault_layer is not None else ""
        raise SimulationError(
            f"the accelerator stopped with fault {run.fault.name}{where}, seen by unit {run.fault_unit}"
        )
    if not run.done:
        raise SimulationError("the program did not end")
