"""Dask on this machine, over loopback TCP: separate processes, which are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATIENCE_S = 240

SWEEP = """
name: cluster
models: [digits-cnn]
arch: dense-8x8
fidelity: cycle
space:
  arch.dense.rows: [8, 16, 32]
  arch.dense.cols: [8, 16, 32]
  arch.dram.latency_cycles: {from: 20, to: 200, step: 20}
objectives: [latency_us, energy_uj, area_mm2]
"""
POINTS = 90

pytestmark = pytest.mark.slow


class Machine:
    """A scheduler, workers and drivers, as processes of their own, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "HWSIM_CACHE": str(folder / "cache")}
        (folder / "sweep.yaml").write_text(SWEEP)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"log-{len(self.processes)}").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def scheduler(self) -> tuple[subprocess.Popen[bytes], str]:
        file = self.folder / f"scheduler-{len(self.processes)}.json"
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        process = self.start("distributed.cli.dask_scheduler", *options)
        wait_for(lambda: file.exists() and file.stat().st_size > 0, "a scheduler")
        return process, json.loads(file.read_text())["address"]

    def worker(self, address: str) -> subprocess.Popen[bytes]:
        options = ("--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory")
        return self.start("distributed.cli.dask_worker", address, *options, str(self.folder))

    def driver(self, *arguments: str, study: str = "s.db") -> subprocess.Popen[bytes]:
        return self.start("hwsim.cli.main", "sweep", "sweep.yaml", "--study", study, *arguments)

    def run(self, *arguments: str, study: str = "s.db") -> int:
        return self.driver(*arguments, study=study).wait(PATIENCE_S)

    def log_of(self, process: subprocess.Popen[bytes]) -> str:
        return (self.folder / f"log-{self.processes.index(process)}").read_text()

    def rows(self, study: str = "s.db") -> dict[str, tuple]:
        """Finished points, each with when it was finished and what came out."""
        if not (self.folder / study).exists():
            return {}
        with contextlib.closing(sqlite3.connect(self.folder / study, timeout=60)) as connection:
            try:
                found = connection.execute(
                    "select id, finished, state, metrics, worker from hwsim_points where state != 'running'"
                ).fetchall()
            except sqlite3.OperationalError:
                return {}
        return {row[0]: row[1:] for row in found}

    def wait_for_points(self, count: int, process: subprocess.Popen[bytes]) -> dict[str, tuple]:
        wait_for(lambda: len(self.rows()) >= count or process.poll() is not None, f"{count} points")
        assert process.poll() is None, self.log_of(process)
        return self.rows()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < PATIENCE_S, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.1)


def results(rows: dict[str, tuple]) -> dict[str, tuple]:
    return {id_: (state, metrics) for id_, (_, state, metrics, _) in rows.items()}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple]:
    made = Machine(tmp_path_factory.mktemp("local"))
    assert made.run("--jobs", "1") == 0
    return results(made.rows())


def test_two_workers_give_what_the_local_run_gives(machine: Machine, undisturbed: dict[str, tuple]):
    _, address = machine.scheduler()
    machine.worker(address)
    machine.worker(address)
    assert machine.run("--scheduler", address) == 0
    rows = machine.rows()
    assert len(rows) == POINTS
    assert results(rows) == undisturbed
    assert len({worker for *_, worker in rows.values()}) == 2


def test_whatever_is_killed_nothing_is_lost_or_computed_twice(machine: Machine, undisturbed: dict[str, tuple]):
    scheduler, address = machine.scheduler()
    workers = [machine.worker(address), machine.worker(address)]

    # A worker: the others take over.
    driver = machine.driver("--scheduler", address)
    machine.wait_for_points(3, driver)
    workers[0].send_signal(signal.SIGKILL)
    before = machine.wait_for_points(9, driver)
    # The scheduler: the driver says so, and ends.
    scheduler.send_signal(signal.SIGKILL)
    assert driver.wait(PATIENCE_S) == 2
    assert "the Dask scheduler at" in machine.log_of(driver)
    kept = machine.rows()
    assert before.items() <= kept.items()
    assert len(kept) < POINTS

    # The driver: its claims are void.
    _, address = machine.scheduler()
    machine.worker(address)
    driver = machine.driver("--scheduler", address, "--resume")
    before = machine.wait_for_points(len(kept) + 4, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    kept = machine.rows()
    assert before.items() <= kept.items()
    assert len(kept) < POINTS

    assert machine.run("--scheduler", address, "--resume") == 0
    rows = machine.rows()
    # Not even the time at which it was finished has changed of what was.
    assert kept.items() <= rows.items()
    assert results(rows) == undisturbed


def test_a_local_driver_that_is_killed_is_gone_on_with(machine: Machine, undisturbed: dict[str, tuple]):
    driver = machine.driver("--jobs", "1")
    machine.wait_for_points(5, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    kept = machine.rows()
    assert machine.run("--jobs", "1", "--resume") == 0
    rows = machine.rows()
    assert kept.items() <= rows.items()
    assert results(rows) == undisturbed


def test_two_drivers_share_a_study(machine: Machine, undisturbed: dict[str, tuple]):
    one, other = (machine.driver("--jobs", "1", "--resume") for _ in range(2))
    assert one.wait(PATIENCE_S) == 0
    assert other.wait(PATIENCE_S) == 0
    assert results(machine.rows()) == undisturbed
