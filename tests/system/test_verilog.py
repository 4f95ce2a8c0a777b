"""The Verilog that comes out: clean to Verilator, the same machine in Icarus, and right behind any AXI memory."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwsim.simulation.simulators import find_verilator, verilator_environment
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import DramConfig, load_arch, preset_names
from rtl.verilog import TOP
from tests.system.differential import Trial, run_in_rtl
from tests.system.test_differential import QUICK, Arch, arch_name, arch_of, some_trials

WAIVERS = Path(__file__).parents[2] / "rtl" / "lint.vlt"
needs_icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="needs Icarus Verilog: apt-get install -y iverilog"
)
slow_if_large = [name if name == "dense-8x8" else pytest.param(name, marks=pytest.mark.slow) for name in preset_names()]


def warnings(folder: Path, preset: str, *waivers: str) -> set[str]:
    """The rules that ``verilator --lint-only -Wall`` finds broken."""
    (folder / f"{TOP}.v").write_text(accelerator_verilog(load_arch(preset)))
    command = [str(find_verilator().path), "--lint-only", "-Wall", "-Wno-fatal", *waivers, f"{TOP}.v"]
    run = subprocess.run(command, cwd=folder, env=verilator_environment(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[:2000]
    return set(re.findall(r"^%Warning-(\w+)", run.stderr, re.MULTILINE))


@pytest.mark.parametrize("preset", slow_if_large)
def test_presets_lint_without_a_warning(preset, tmp_path):
    assert warnings(tmp_path, preset, str(WAIVERS)) == set()


def waived() -> dict[str, str]:
    """Rules, and the comment above each, or above the rules right before it."""
    found, reason = {}, ""
    for line in WAIVERS.read_text().splitlines():
        if line.startswith("//"):
            reason = line.removeprefix("//").strip()
        elif line.startswith("lint_off"):
            found[line.split()[-1]] = reason
    return found


def test_every_waiver_has_a_reason_and_is_needed(tmp_path):
    assert len(waived()) <= 10
    assert all(reason.endswith(".") for reason in waived().values())
    assert warnings(tmp_path, "dense-8x8") == set(waived())


@needs_icarus
def test_icarus_and_verilator_run_the_same_machine():
    """Bytes, cycles, retirements and counters."""
    trials = short_trials(QUICK[0], most_cycles=1500, networks=2)
    for trial, here, there in zip(trials, run_in_rtl(trials, simulator="icarus"), run_in_rtl(trials), strict=True):
        assert trial.faults_of(here) == []
        assert (here.cycles, here.outputs) == (there.cycles, there.outputs)
        assert np.array_equal(here.counters, there.counters)
        assert np.array_equal(here.last_retire, there.last_retire)


@needs_icarus
def test_a_memory_that_answers_at_random_changes_no_byte():
    """AXI as another implementation understands it, every channel held back at random."""
    hold_against_random_memory("icarus", short_trials(QUICK[0], most_cycles=1200, networks=1), seeds=1)


@pytest.mark.slow
@pytest.mark.parametrize("arch", [QUICK[0], *QUICK[2:]], ids=arch_name)
def test_many_memories_that_answer_at_random_change_no_byte(arch):
    hold_against_random_memory("verilator", short_trials(arch, most_cycles=6000, networks=6), seeds=3)


def short_trials(arch: Arch, *, most_cycles: int, networks: int) -> list[Trial]:
    """On a fast memory."""
    config = arch_of(arch).model_copy(update={"dram": DramConfig(latency_cycles=5, beat_interval=1)})
    return some_trials(config, 7, networks, most_macs=3000, most_cycles=most_cycles)


def hold_against_random_memory(simulator: str, trials: list[Trial], *, seeds: int) -> None:
    for seed in range(seeds):
        runs = run_in_rtl(trials, simulator=simulator, memory="axiram", seed=seed)
        for trial, run in zip(trials, runs, strict=True):
            assert trial.faults_of(run, timing=False) == [], f"seed {seed}: {trial}"
