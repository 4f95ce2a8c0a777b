"""An instruction stream that is malformed raises the fault flag and stops: no hang, and nothing written out of bounds.

On the assembled accelerator in RTL. After every mistake the same hardware runs a right program to the byte and cycle.
"""

from __future__ import annotations

import dataclasses
from random import Random
from typing import TYPE_CHECKING

import pytest

from hwsim.simulation import program as simulation
from hwsim.simulation.program import ProgramJob, RtlRun, simulate_programs
from rtl.isa import INSTRUCTION_BYTES, Fault
from tests.system.differential import Trial, trials_of
from tests.system.mistakes import VICTIMS, WINDOW_BYTES, Mistake, mistakes_of
from tests.system.noise import NOISE_WINDOW_BYTES, noise
from tests.system.random_layers import random_case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtl.config import ArchConfig

# One process runs all mistakes, where pytest-xdist is told to keep groups together (--dist loadgroup).
pytestmark = pytest.mark.xdist_group("faults")

PAGE = 4096
LONGEST = 5_000_000
"""More cycles than any instruction stream here can take. A program that runs longer hangs."""


class Victim:
    """A memory of a right program and many wrong ones, and what each run left of it.

    ::

        0            right program and its window
        window       of all wrong programs, noise
        programs     one after the other, pages of noise between them
    """

    def __init__(
        self,
        config: ArchConfig,
        wrong: Sequence[Mistake],
        *,
        right: Trial | None = None,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self.right = right_trial(config) if right is None else right
        self.mistakes = wrong
        rng = Random(9)
        image = bytearray(self.right.image().tobytes())
        self.window = len(image)
        image += rng.randbytes(window_bytes)
        jobs = [self._right_job()]
        for mistake in wrong:
            image += rng.randbytes(PAGE)
            code = b"".join(word.to_bytes(INSTRUCTION_BYTES, "little") for word in mistake.words)
            jobs += [self._wrong_job(mistake, len(image)), self._right_job()]
            image += code + rng.randbytes(-len(code) % PAGE)
        whole = ((0, len(image)),)
        jobs = [dataclasses.replace(job, outputs=whole) for job in jobs]
        with pytest.MonkeyPatch.context() as patch:
            # A window may reach beyond the memory here.
            patch.setattr(simulation, "memory_top", lambda image, jobs: len(image))
            self.runs = simulate_programs(config, bytes(image), jobs)

    def _right_job(self) -> ProgramJob:
        (segment,) = self.right.program.segments
        return ProgramJob(
            program_address=segment.address,
            program_length=len(segment.instructions),
            window=(0, self.right.program.window_bytes),
            outputs=(),
            layers=len(self.right.program.layers),
            max_cycles=2000 + 2 * self.right.model.cycles,
        )

    def _wrong_job(self, mistake: Mistake, address: int) -> ProgramJob:
        return ProgramJob(
            program_address=address if mistake.program is None else mistake.program,
            program_length=len(mistake.words) if mistake.length is None else mistake.length,
            window=(self.window, mistake.window_bytes),
            outputs=(),
            layers=1,
            max_cycles=LONGEST,
        )

    def wrong(self, which: int | str) -> tuple[Mistake, RtlRun]:
        index = NAMES.index(which) if isinstance(which, str) else which
        return self.mistakes[index], self.runs[1 + 2 * index]

    def written_by(self, index: int) -> list[int]:
        """Offsets into the window of the bytes that a wrong program changed, wherever they lie."""
        before, after = self.runs[2 * index].outputs[0], self.runs[1 + 2 * index].outputs[0]
        return [at - self.window for at in range(len(before)) if before[at] != after[at]] if before != after else []

    def right_after(self, index: int) -> list[str]:
        """What a right program did wrong that ran after a wrong one; -1: before all."""
        run = self.runs[2 + 2 * index]
        (whole,) = run.outputs
        outputs = tuple(whole[at.address : at.address + at.size] for at in self.right.program.tensors.values())
        return self.right.faults_of(dataclasses.replace(run, outputs=outputs))


def right_trial(config: ArchConfig) -> Trial:
    """A short program of two layers or more."""
    for seed in range(100):
        trials = trials_of(random_case(seed, most_macs=3000), config)
        if trials and len(trials[0].program.layers) > 1 and trials[0].model.cycles < 3000:
            return trials[0]
    raise AssertionError("no short program")


NAMES = list(mistakes_of(VICTIMS["weight-stationary"]))
every_mistake = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module", params=VICTIMS)
def victim(request) -> Victim:
    return Victim(VICTIMS[request.param], list(mistakes_of(VICTIMS[request.param]).values()))


@every_mistake
def test_a_mistake_stops_the_run_and_is_reported(victim, name):
    mistake, run = victim.wrong(name)
    assert (run.done, run.fault.name, run.fault_unit) == (False, mistake.fault.name, mistake.unit)
    if mistake.fault != Fault.TOKEN:
        assert run.fault_layer == mistake.layer


@every_mistake
def test_a_mistake_writes_nothing_where_it_must_not(victim, name):
    mistake, _ = victim.wrong(name)
    allowed = {at for start, stop in mistake.may_write for at in range(start, stop)}
    assert set(victim.written_by(NAMES.index(name))) <= allowed


@every_mistake
def test_after_a_mistake_a_right_program_runs_as_ever(victim, name):
    assert victim.right_after(NAMES.index(name)) == []


def test_before_any_mistake_it_runs_so_too(victim):
    assert victim.right_after(-1) == []


def hold_out_against_noise(name: str, seed: int, streams: int) -> int:
    """Run random instruction streams; return their cycles."""
    victim = Victim(VICTIMS[name], noise(Random(seed), VICTIMS[name], streams), window_bytes=NOISE_WINDOW_BYTES)
    found = []
    cycles = 0
    for index in range(streams):
        mistake, run = victim.wrong(index)
        cycles += run.cycles
        stopped = run.done != (run.fault != Fault.NONE)
        outside = [at for at in victim.written_by(index) if not 0 <= at < NOISE_WINDOW_BYTES]
        after = victim.right_after(index)
        if not stopped or outside or after:
            found.append((index, [hex(word) for word in mistake.words], stopped, outside[:4], after))
    assert not found, found[:2]
    return cycles


@pytest.mark.parametrize("name", VICTIMS)
def test_noise_neither_hangs_nor_writes_out_of_bounds(name, record_property):
    record_property("summary: cycles of malformed programs", hold_out_against_noise(name, 1, 40))


@pytest.mark.slow
@pytest.mark.parametrize("name", VICTIMS)
@pytest.mark.parametrize("seed", range(2, 17))
def test_much_noise_neither_hangs_nor_writes_out_of_bounds(name, seed, record_property):
    record_property("summary: cycles of malformed programs", hold_out_against_noise(name, seed, 50))
