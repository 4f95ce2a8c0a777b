"""Random networks on random accelerators: interpreter, functional machine, cycle model and RTL are one.

No byte, no cycle (in all, by layer, or of an engine's last retirement) and no counter differs. One simulator is built
per accelerator; each runs many networks, each network twice: as it would run, and with every tensor stored.
"""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pytest

from hwsim.simulation.program import RtlRun
from rtl.config import ArchConfig
from rtl.isa import Fault
from tests.system.differential import Trial, run_in_rtl, trials_of
from tests.system.random_archs import Dataflow, random_arch, random_dram
from tests.system.random_layers import random_case

Arch = tuple[int, int, int, Dataflow]
FEW_CYCLES = 30_000
"""Longer programs are left to whole networks."""

WS: Dataflow = "weight_stationary"
OS: Dataflow = "output_stationary"
QUICK = [(101, 2, 2, WS), (102, 4, 4, WS), (103, 3, 5, OS), (104, 8, 4, OS)]
"""Seed, rows, columns and dataflow of an accelerator."""
THOROUGH = [
    (201, 16, 16, WS), (202, 16, 8, WS), (203, 8, 16, WS), (204, 2, 16, WS), (205, 16, 2, WS), (206, 11, 5, WS),
    (207, 5, 12, WS), (208, 8, 8, WS), (209, 4, 6, WS), (210, 2, 3, WS), (211, 16, 16, OS), (212, 3, 2, OS),
    (213, 6, 11, OS), (214, 8, 8, OS), (215, 2, 2, OS), (216, 12, 3, OS),
]  # fmt: skip


def arch_of(arch: Arch) -> ArchConfig:
    """The accelerator that a line of the tables above names."""
    seed, rows, cols, dataflow = arch
    return random_arch(seed, rows=rows, cols=cols, dataflow=dataflow)


def arch_name(arch: Arch) -> str:
    return f"{arch[1]}x{arch[2]}-{'ws' if arch[3] == WS else 'os'}"


def some_trials(
    config: ArchConfig, first_seed: int, networks: int, *, most_macs: int = 20_000, most_cycles: int = FEW_CYCLES
) -> list[Trial]:
    """Both programs of so many networks that ``config`` takes, from a seed on."""
    found: list[Trial] = []
    seed = first_seed
    while len(found) < 2 * networks:
        trials = trials_of(random_case(seed, most_macs=most_macs), config)
        if trials and all(trial.model.cycles <= most_cycles for trial in trials):
            found += trials
        seed += 1
        assert seed < first_seed + 10 * networks, f"{config.name} takes too few networks to be a test of anything"
    return found


def hold_against_rtl(arch: Arch, networks: int, memories: int, record_property) -> None:
    seed, base = arch[0], arch_of(arch)
    rng = Random(seed)
    wrong = []
    for memory in range(memories):
        config = base if memory == 0 else base.model_copy(update={"dram": random_dram(rng)})
        trials = some_trials(config, 1000 * seed + 100 * memory, networks)
        runs = run_in_rtl(trials)
        for trial, run in zip(trials, runs, strict=True):
            wrong += [f"{trial}: {fault}" for fault in trial.faults_of(run)]
        record_property("summary: (accelerator, network) pairs", networks)
        record_property("summary: programs", len(trials))
        record_property("summary: RTL cycles", sum(run.cycles for run in runs))
    record_property("summary: accelerators", 1)
    record_property("summary: memories", memories)
    assert not wrong, "\n".join([f"{len(wrong)} differences, of which", *wrong[:5]])


@pytest.mark.parametrize("arch", QUICK, ids=arch_name)
def test_rtl_equals_interpreter_and_cycle_model(arch, record_property):
    hold_against_rtl(arch, networks=8, memories=3, record_property=record_property)


@pytest.mark.slow
@pytest.mark.parametrize("arch", THOROUGH, ids=arch_name)
def test_rtl_equals_interpreter_and_cycle_model_on_many_accelerators(arch, record_property):
    hold_against_rtl(arch, networks=10, memories=4, record_property=record_property)


@pytest.fixture(scope="module")
def perfect() -> tuple[Trial, RtlRun]:
    """A trial, and what the RTL would say if it were as predicted."""
    trial = some_trials(random_arch(1), 1, 1)[0]
    (model,) = trial.model.segments
    held = [trial.reference[name].tobytes() for name in trial.program.tensors]
    run = RtlRun(
        cycles=model.cycles, done=True, fault=Fault.NONE, fault_unit=0, fault_layer=None, counters=model.counters,
        last_retire=model.last_retire, outputs=tuple(held), wall_s=0.0, build_s=0.0,
    )  # fmt: skip
    return trial, run


def test_a_run_as_predicted_has_no_faults(perfect):
    trial, run = perfect
    assert trial.faults_of(run) == []


def test_a_wrong_byte_is_reported(perfect):
    trial, run = perfect
    place = list(trial.program.tensors).index(trial.written[0])
    outputs = list(run.outputs)
    outputs[place] = bytes([outputs[place][0] ^ 1]) + outputs[place][1:]
    (fault,) = trial.faults_of(dataclasses.replace(run, outputs=tuple(outputs)))
    assert fault.startswith("1 of ")


def test_a_wrong_cycle_is_reported(perfect):
    trial, run = perfect
    faults = trial.faults_of(dataclasses.replace(run, cycles=run.cycles + 1))
    assert faults[0] == f"{run.cycles + 1} cycles, predicted {run.cycles}"


def test_a_wrong_counter_is_reported(perfect):
    trial, run = perfect
    counters = run.counters + np.eye(*run.counters.shape, dtype=np.int64) * (np.arange(len(run.counters)) == 0)[:, None]
    (fault,) = trial.faults_of(dataclasses.replace(run, counters=counters))
    assert fault.startswith("layer 0: dram_read_bytes is ")


def test_a_run_that_stopped_is_reported(perfect):
    trial, run = perfect
    (fault,) = trial.faults_of(dataclasses.replace(run, done=False, fault=Fault.DEADLOCK))
    assert fault.startswith("stopped by DEADLOCK")
