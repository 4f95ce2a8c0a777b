"""One network on one accelerator, four times over: interpreter, functional machine, cycle model and RTL.

A :class:`Trial` is a compiled network with what the first three say of it; :func:`run_in_rtl` adds the fourth, many
trials in one simulator, and :meth:`Trial.faults_of` says where they differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.interpreter import interpret
from compiler.mapping.compile import compile_plans
from compiler.mapping.mapper import CYCLES, Objective
from compiler.mapping.planner import plan_graph
from hwsim.activity import program_works
from hwsim.cycles import ProgramCycles, layer_cycles, program_cycles
from hwsim.execute import Work, place
from hwsim.functional import Machine
from hwsim.simulation.program import RtlRun, simulate_programs
from rtl.counters import COUNTERS
from rtl.isa import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from compiler.mapping.engines import Preference
    from compiler.mapping.plan import Plan
    from compiler.mapping.sparse.plan import SparsePlan
    from compiler.program.program import Program
    from hwsim.simulation.harness import MemoryKind
    from rtl.config import ArchConfig
    from tests.system.random_layers import Case

__all__ = ["Trial", "run_in_rtl", "trials_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A network compiled for an accelerator, and what must come of it."""

    case: Case
    config: ArchConfig
    plans: tuple[Plan | SparsePlan, ...]
    program: Program
    model: ProgramCycles
    reference: dict[str, NDArray]

    def __str__(self) -> str:
        return f"{self.case} on {self.config}"

    @property
    def written(self) -> list[str]:
        """The tensors that the program leaves in DRAM."""
        return [name for name in self.program.tensors if name not in self.case.graph.inputs]

    def image(self) -> NDArray[np.uint8]:
        """Memory before the run."""
        image = self.program.image.copy()
        for name, value in self.case.inputs.items():
            self.program.place(image, name, value)
        return image

    def functional_faults(self) -> list[str]:
        """Tensors that the functional machine computes otherwise than the interpreter."""
        image = self.image()
        machine = Machine(self.config, image[: self.program.window_bytes])
        for segment in self.program.segments:
            machine.run(segment.instructions)
        return self._wrong_tensors(lambda name: self.program.fetch(image, name))

    def faults_of(self, run: RtlRun, *, timing: bool = True) -> list[str]:
        """What the RTL did otherwise than the interpreter and (``timing``) the cycle model."""
        if not run.done or run.fault != Fault.NONE:
            return [f"stopped by {run.fault.name}, seen by unit {run.fault_unit}, in layer {run.fault_layer}"]
        outputs = dict(zip(self.program.tensors, run.outputs, strict=True))
        faults = self._wrong_tensors(
            lambda name: np.frombuffer(outputs[name], np.int8).reshape(self.program.tensors[name].shape)
        )
        return faults + list(self._timing_faults(run)) if timing else faults

    def _wrong_tensors(self, value: Callable[[str], NDArray]) -> list[str]:
        faults = []
        for name in self.written:
            wrong = np.count_nonzero(value(name) != self.reference[name])
            if wrong:
                faults.append(f"{wrong} of {self.reference[name].size} bytes of {name} differ")
        return faults

    def _timing_faults(self, run: RtlRun) -> Iterator[str]:
        (model,) = self.model.segments
        if run.cycles != model.cycles:
            yield f"{run.cycles} cycles, predicted {model.cycles}"
        if not np.array_equal(run.last_retire, model.last_retire):
            yield f"last retirements {run.last_retire.tolist()}, predicted {model.last_retire.tolist()}"
        measured = layer_cycles(run.last_retire, run.cycles)
        if not np.array_equal(measured, self.model.layers):
            yield f"cycles by layer {measured.tolist()}, predicted {self.model.layers.tolist()}"
        for layer, counter in np.argwhere(run.counters != model.counters):
            got, want = run.counters[layer, counter], model.counters[layer, counter]
            yield f"layer {layer}: {COUNTERS[counter].name} is {got}, predicted {want}"


def trials_of(
    case: Case, config: ArchConfig, objective: Objective = CYCLES, *, engine: Preference = "cheapest"
) -> list[Trial]:
    """The network as it would run, and once more with every tensor stored; none if the compiler refuses it."""
    everything = {op.output for op in case.graph.operators()}
    try:
        found = [plan_graph(case.graph, config, objective, observe=seen, engine=engine) for seen in ((), everything)]
        programs = [compile_plans(case.graph, config, plans) for plans in found]
    except ModelError:
        return []
    reference = interpret(case.graph, case.inputs)
    models = [program_cycles(p, config, program_works(p, config, reference)) for p in programs]
    return [Trial(case, config, *trial, reference) for trial in zip(found, programs, models, strict=True)]


def run_in_rtl(
    trials: Sequence[Trial], *, simulator: str = "verilator", memory: MemoryKind = "dram", seed: int = 0
) -> list[RtlRun]:
    """Run trials of one accelerator and memory in one simulator, one after the other, each in a window of its own."""
    (config,) = {trial.config for trial in trials}
    works = [Work(trial.program, trial.case.inputs) for trial in trials]
    segments = [segment for trial in trials for segment in trial.program.segments]
    # A memory that answers at random has no cycles to be late by.
    most = 2000 + 2 * max(trial.model.cycles for trial in trials) if memory == "dram" else 1 << 24
    image, jobs = place(works, segments, [work.inputs for work in works], most)
    return simulate_programs(config, image, jobs, simulator=simulator, memory=memory, seed=seed)
