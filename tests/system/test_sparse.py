"""Random programs of the sparse engine: functional machine, cycle model and RTL are one.

No byte, no cycle and no counter differs. One simulator is built per accelerator; each runs many programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from compiler.program.program import Segment
from hwsim.cycles import SegmentCycles, segment_cycles
from hwsim.functional import Machine
from hwsim.simulation.program import ProgramJob, RtlRun, simulate_programs
from rtl.config import ArchConfig, BusConfig, ControlConfig, DenseConfig, MemoryConfig, SparseConfig
from rtl.counters import COUNTERS
from rtl.isa import INSTRUCTION_BYTES, Fault, encode
from tests.system.random_archs import random_dram
from tests.system.sparse_programs import Program, random_program

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A program, where it lies in memory, and what must come of it."""

    program: Program
    base: int
    address: int
    model: SegmentCycles
    window: np.ndarray
    """DRAM afterwards."""

    def faults_of(self, run: RtlRun) -> Iterator[str]:
        if not run.done or run.fault != Fault.NONE:
            yield f"stopped by {run.fault.name}, seen by unit {run.fault_unit}, in layer {run.fault_layer}"
            return
        wrong = np.flatnonzero(np.frombuffer(run.outputs[0], np.uint8) != self.window)
        if len(wrong):
            yield f"{len(wrong)} of {len(self.window)} bytes differ, the first at {wrong[0]}"
        if run.cycles != self.model.cycles:
            yield f"{run.cycles} cycles, predicted {self.model.cycles}"
        if not np.array_equal(run.last_retire, self.model.last_retire):
            yield f"last retirements {run.last_retire.tolist()}, predicted {self.model.last_retire.tolist()}"
        for layer, counter in np.argwhere(run.counters != self.model.counters):
            got, want = run.counters[layer, counter], self.model.counters[layer, counter]
            yield f"layer {layer}: {COUNTERS[counter].name} is {got}, predicted {want}"


def sparse_arch(seed: int, *, pes: int, hybrid: bool) -> ArchConfig:
    """The accelerator of ``seed``: everything but PEs by chance."""
    rng = Random(seed)
    direct = rng.random() < 0.25
    code_bits = 8 if direct else rng.randint(2, 8)
    index_bits = rng.randint(2, 8)
    rows = [n for n in (1, 2, 4, 8, 16) if 8 * n >= code_bits + index_bits]
    dense = DenseConfig(rows=rng.choice([2, 3, 4]), cols=rng.choice([1, 3, 4, 16]), depthwise_taps=0)
    return ArchConfig(
        name=f"sparse{seed}-{pes}{'-hybrid' if hybrid else ''}",
        dense=dense if hybrid else None,
        sparse=SparseConfig(
            pes=pes, lanes=rng.choice([n for n in (1, 2, 4, 8, 16) if n <= pes]), fifo_depth=rng.randint(1, 16),
            weights="int8" if direct else "codebook", code_bits=code_bits, index_bits=index_bits,
            row_bytes=rng.choice(rows), spmat_kib=rng.choice([4, 16]), pointers=1024,
            accumulators=rng.choice([16, 32, 128]), tables=rng.choice([1, 2, 4]),
        ),
        memory=MemoryConfig(
            ifm_kib=rng.choice([2, 8]), ofm_kib=rng.choice([2, 8]), weight_kib=4, param_kib=4, accumulators=64
        ),
        bus=BusConfig(data_bytes=rng.choice([4, 8, 16, 32]), burst_beats=16, outstanding=rng.choice([1, 4])),
        control=ControlConfig(queue_depth=rng.choice([2, 4, 8]), fetch_depth=16, max_layers=4),
        dram=random_dram(rng),
    )  # fmt: skip


def trials_of(config: ArchConfig, rng: Random, count: int) -> tuple[list[Trial], bytes]:
    """So many programs, and the memory that holds them all."""
    image = bytearray()
    trials = []
    for _ in range(count):
        program = random_program(rng, config)
        base = len(image)
        image += program.window.tobytes()
        image += bytes(-len(image) % PAGE)
        address = len(image)
        image += b"".join(encode(i).to_bytes(INSTRUCTION_BYTES, "little") for i in program.instructions)
        image += bytes(-len(image) % PAGE)
        machine = Machine(config, program.window.copy())
        works = machine.works(program.instructions)
        model = segment_cycles(Segment(program.instructions, address), program.layers, config, works)
        # What COMPUTE does not ask for is not run by the model.
        list(works)
        trials.append(Trial(program, base, address, model, machine.dram))
    return trials, bytes(image)


def hold_against_rtl(config: ArchConfig, seed: int, count: int, record_property) -> None:
    trials, image = trials_of(config, Random(seed), count)
    jobs = [
        ProgramJob(
            program_address=trial.address,
            program_length=len(trial.program.instructions),
            window=(trial.base, len(trial.window)),
            outputs=((trial.base, len(trial.window)),),
            layers=trial.program.layers,
            max_cycles=2000 + 2 * trial.model.cycles,
        )
        for trial in trials
    ]
    runs = simulate_programs(config, image, jobs)
    wrong = [
        f"program {k}: {fault}"
        for k, (t, run) in enumerate(zip(trials, runs, strict=True))
        for fault in t.faults_of(run)
    ]
    record_property("summary: sparse programs", len(trials))
    record_property("summary: RTL cycles", sum(run.cycles for run in runs))
    assert not wrong, "\n".join([f"{config}: {len(wrong)} differences, of which", *wrong[:8]])


QUICK = [(31, 4, False), (33, 8, True)]
"""Seed, PEs, and whether there is a dense engine too."""
THOROUGH = [
    (32, 16, False),
    (41, 1, False), (42, 1, True), (43, 2, False), (44, 2, True), (45, 4, True), (46, 8, False), (47, 16, True),
    (48, 32, False), (49, 64, False), (50, 64, True), (51, 16, False), (52, 4, False),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "pes", "hybrid"), QUICK)
def test_rtl_equals_functional_machine_and_cycle_model(seed, pes, hybrid, record_property):
    hold_against_rtl(sparse_arch(seed, pes=pes, hybrid=hybrid), seed, 13, record_property)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "pes", "hybrid"), THOROUGH)
def test_rtl_equals_functional_machine_and_cycle_model_on_many_accelerators(seed, pes, hybrid, record_property):
    hold_against_rtl(sparse_arch(seed, pes=pes, hybrid=hybrid), seed, 20, record_property)
