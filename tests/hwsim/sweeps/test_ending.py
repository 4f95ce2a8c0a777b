"""A sweep that is told to end, or killed: nobody is left at work, and what is finished is kept."""

from __future__ import annotations

import contextlib
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
PATIENCE_S = 120

# Far more points than are waited for.
SWEEP = """
name: ending
models: [digits-mlp]
arch: dense-8x8
fidelity: cycle
space: {arch.dram.latency_cycles: {from: 1, to: 4000, step: 1}}
objectives: [latency_us, area_mm2]
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep that runs on one worker, and has finished some points."""
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HWSIM_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "hwsim", "sweep", "sweep.yaml", "--study", "s.db", "--jobs", "1"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: states(tmp_path).get("done", 0) > 0 or process.poll() is not None)
            assert process.poll() is None, process.communicate()[1]
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < PATIENCE_S
        time.sleep(0.05)


def states(folder: Path) -> dict[str, int]:
    """How many points are in which state."""
    if not (folder / "s.db").exists():
        return {}
    with contextlib.closing(sqlite3.connect(folder / "s.db", timeout=60)) as connection:
        try:
            return dict(connection.execute("select state, count(*) from hwsim_points group by state").fetchall())
        except sqlite3.OperationalError:
            # No table as yet.
            return {}


def children(pid: int) -> list[int]:
    """Processes that ``pid`` has started and that are still there."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in listed.split()]


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGTERM, 143, "hwsim: terminated"),
        (signal.SIGINT, 130, "hwsim: interrupted"),
        (signal.SIGKILL, -signal.SIGKILL, None),
    ],
    ids=["SIGTERM", "Ctrl-C", "SIGKILL"],
)
def test_whatever_ends_a_driver_ends_its_workers(
    driver: subprocess.Popen[str], tmp_path: Path, number: signal.Signals, status: int, said: str | None
):
    workers = children(driver.pid)
    finished = states(tmp_path)["done"]
    assert workers
    driver.send_signal(number)
    assert driver.wait(PATIENCE_S) == status
    begin = time.monotonic()
    wait_for(lambda: not any(alive(worker) for worker in workers))
    assert time.monotonic() - begin < 10
    # Python itself complains of a parent that was killed.
    assert said is None or driver.communicate()[1].strip() == said
    left = states(tmp_path)
    assert finished <= left["done"] < 4000
    # Who cannot give up its claims is seen to be dead by whoever comes next.
    assert ("running" in left) == (number == signal.SIGKILL)
