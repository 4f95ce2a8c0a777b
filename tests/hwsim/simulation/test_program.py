"""Programs in simulators: what goes in by registers and memory comes out the same, whichever simulator and memory.

A stand-in takes the accelerator's place: it copies 32 bytes from `program` to the window, and ends when it is told to.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hwsim.errors import InputError, SimulationError, ToolError
from hwsim.simulation.program import ProgramJob, RtlRun, simulate_programs
from hwsim.simulation.simulators import find_icarus
from rtl.config import ArchConfig
from rtl.counters import COUNTERS
from rtl.csr import VERSION
from rtl.isa import Engine, Fault

STANDIN = Path(__file__).with_name("standin.v").read_text().replace("{version}", str(VERSION))
CONFIG = ArchConfig()
IMAGE = np.random.default_rng(1).bytes(4000)
WINDOW = (2048, 1024)


@pytest.fixture(params=["verilator", "icarus"])
def simulator(request) -> str:
    if request.param == "icarus":
        try:
            find_icarus()
        except ToolError as error:
            pytest.skip(str(error))
    return request.param


def job(**changes) -> ProgramJob:
    settings = {
        "program_address": 64,
        "program_length": 500,
        "window": WINDOW,
        "outputs": ((2048, 32), (2040, 10)),
        "layers": 2,
        "max_cycles": 5000,
    }
    return ProgramJob(**{**settings, **changes})


def runs(simulator: str, *jobs: ProgramJob, memory: str = "dram", **settings) -> list[RtlRun]:
    return simulate_programs(CONFIG, IMAGE, jobs, simulator=simulator, memory=memory, verilog=STANDIN, **settings)


@pytest.mark.parametrize("memory", ["dram", "axiram"])
def test_memory_registers_and_counters_come_back(simulator, memory):
    (run,) = runs(simulator, job(), memory=memory)
    assert run.done
    assert run.fault == Fault.NONE
    assert run.cycles == 500
    assert run.outputs == (IMAGE[64:96], IMAGE[2040:2048] + IMAGE[64:66])
    # The stand-in's totals are their registers' addresses, with the layer as their high word.
    expected = [[256 + 8 * i + (layer << 32) for i in range(len(COUNTERS))] for layer in range(2)]
    np.testing.assert_array_equal(run.counters, expected)
    np.testing.assert_array_equal(
        run.last_retire, [[0x60 + 8 * engine + (layer << 32) for engine in Engine] for layer in range(2)]
    )


def test_jobs_share_one_memory(simulator):
    onward = job(program_address=2048, window=(3072, 512), outputs=((3072, 32),), program_length=300)
    first, second = runs(simulator, job(), onward)
    assert (first.cycles, second.cycles) == (500, 300)
    assert second.outputs == (IMAGE[64:96],)


def test_a_fault_is_reported_with_its_place(simulator):
    (run,) = runs(simulator, job(window=(2048, 0)))
    assert not run.done
    assert (run.fault, run.fault_unit, run.fault_layer) == (Fault.DRAM, 4, 7)


def test_a_job_without_outputs_reads_nothing_back(simulator):
    (run,) = runs(simulator, job(outputs=()))
    assert run.outputs == ()


def test_a_program_without_end_is_given_up(simulator):
    with pytest.raises(SimulationError, match=r"no interrupt within 5000 cycles: .* \(seed 3\); see (.*)$") as caught:
        runs(simulator, job(program_length=0), seed=3)
    assert Path(str(caught.value).rsplit("; see ", 1)[1]).exists()


def test_progress_is_reported(simulator, monkeypatch):
    monkeypatch.setattr("hwsim.simulation.runner.POLL_SECONDS", 0.001)
    seen: list[int] = []
    runs(simulator, job(program_length=200_000, max_cycles=1_000_000), progress=seen.append)
    assert seen
    assert seen == sorted(seen)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["fst", "vcd"])
def test_waveforms_are_written(simulator, suffix, tmp_path):
    waves = tmp_path / f"waves.{suffix}"
    (run,) = runs(simulator, job(), waves=waves)
    assert run.done
    if suffix == "vcd":
        assert "m_axi_data_wdata" in waves.read_text()
    else:
        assert waves.stat().st_size > 1000


def test_the_random_memory_answers_by_the_seed_alone():
    def cycles(seed: int) -> int:
        (run,) = runs("verilator", job(program_length=2**32 - 1), memory="axiram", seed=seed, stall=0.7)
        assert run.outputs[0] == IMAGE[64:96]
        return run.cycles

    assert cycles(1) == cycles(1)
    assert cycles(1) != cycles(2)


def test_an_unknown_simulator_is_named():
    with pytest.raises(InputError, match=r"^'vcs' is not a simulator; known: verilator, icarus$"):
        runs("vcs", job())


def test_nothing_is_left_behind(simulator, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runs(simulator, job())
    assert list(tmp_path.iterdir()) == []


def test_the_bench_is_found_from_an_interactive_session(simulator, monkeypatch):
    """There the first entry of ``sys.path`` is empty: the folder that Python was started in."""
    root = Path(__file__).parents[3]
    monkeypatch.chdir(root)
    monkeypatch.setattr("sys.path", ["", *(p for p in sys.path if Path(p).resolve() != root)])
    (run,) = runs(simulator, job())
    assert run.done
