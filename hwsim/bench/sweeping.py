"""What a sweep costs beside its evaluations, and what a second Dask worker is worth."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hwsim

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Overhead", "Workers", "overhead", "workers"]

_SPACE: dict[str, Any] = {
    "arch.dense.rows": [8, 16],
    "arch.dense.cols": [8, 16],
    "arch.clock_mhz": {"from": 100, "to": 1000, "points": 100},
}
_SWEEP: dict[str, Any] = {
    "name": "bench",
    "models": ["digits-mlp"],
    "arch": "dense-8x8",
    "space": _SPACE,
    "objectives": ["latency_us", "energy_uj", "area_mm2"],
    "recheck": 0,
}
_TRIALS = {"sampler": "nsga2", "trials": 200, "population": 50}
_HEAVY = _SWEEP | {
    "models": ["mobilenet-v1"],
    "space": {"arch.dense.rows": [8, 16, 24, 32], "arch.dense.cols": [8, 16, 24, 32], "arch.bus.data_bytes": [8, 16]},
}
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Milliseconds per point that no evaluation took: proposing, claiming, recording, finding the front."""

    points: int
    grid_ms: float
    trials: int
    sampler_ms: float


def overhead() -> Overhead:
    """Of a grid and of a sampler, in one process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points, grid_ms = _overhead_ms(_SWEEP, folder, "grid.db")
        trials, sampler_ms = _overhead_ms(_SWEEP | {"search": _TRIALS}, folder, "sampler.db")
    return Overhead(points=points, grid_ms=grid_ms, trials=trials, sampler_ms=sampler_ms)


def _overhead_ms(tree: dict[str, Any], folder: Path, study: str) -> tuple[int, float]:
    begin = time.perf_counter()
    result = hwsim.sweep(tree, jobs=0, study=folder / study, cache=folder / "cache")
    spent = time.perf_counter() - begin
    evaluating = sum(point.timings["total"] for point in result.points)
    count = result.specification.file.search.trials if study == "sampler.db" else len(result.points)
    return count, 1e3 * (spent - evaluating) / count


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Seconds that a sweep takes on a Dask cluster of this machine, its workers being there already."""

    points: int
    one_s: float
    two_s: float
    equal: bool
    """Point for point."""


def workers() -> Workers:
    """The same sweep on one worker and on two: processes of their own, over loopback TCP."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = [_on_cluster(folder, count) for count in (1, 2)]
    (one, one_s), (two, two_s) = runs
    equal = [(p.id, p.state, p.metrics) for p in one.points] == [(p.id, p.state, p.metrics) for p in two.points]
    return Workers(points=len(one.points), one_s=one_s, two_s=two_s, equal=equal)


def _on_cluster(folder: Path, count: int) -> tuple[Any, float]:
    with _cluster(folder / str(count), count) as address:
        # Modules and the network are loaded before the clock starts.
        warm = _HEAVY | {"name": "warm", "space": {"arch.dram.latency_cycles": [1, 2, 3, 4, 5, 6]}}
        hwsim.sweep(warm, scheduler=address, study=folder / f"warm-{count}.db", cache=folder / str(count))
        begin = time.perf_counter()
        result = hwsim.sweep(_HEAVY, scheduler=address, study=folder / f"{count}.db", cache=folder / str(count))
        return result, time.perf_counter() - begin


@contextlib.contextmanager
def _cluster(folder: Path, count: int) -> Iterator[str]:
    """The address of a scheduler with ``count`` workers of a thread each."""
    folder.mkdir()
    file = folder / "scheduler.json"
    # Importable where hwsim is not installed, too.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(hwsim.__file__).parents[1]), *sys.path[1:]])}
    processes: list[subprocess.Popen[bytes]] = []

    def start(module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"]
        quiet = subprocess.DEVNULL
        processes.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet))

    try:
        start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        begin = time.monotonic()
        while not file.exists() or not file.stat().st_size:
            if time.monotonic() - begin > _PATIENCE_S:
                raise TimeoutError("the Dask scheduler did not start")
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        for _ in range(count):
            start("dask_worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny")
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=_PATIENCE_S)
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()
