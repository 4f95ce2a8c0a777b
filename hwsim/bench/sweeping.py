"""What a sweep costs beside its evaluations, how fast the largest example is, what a second Dask worker is worth."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hwsim
from hwsim.bench.page import table
from hwsim.bench.searching import Coverage, coverage
from hwsim.sweeps.specification.schema import SearchSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Exhaustive", "Overhead", "Workers", "exhaustive", "lines", "overhead", "workers"]

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
_COLUMNS = _SWEEP | {
    "fidelity": "vectorised",
    "space": {**_SPACE, "arch.dram.latency_cycles": {"from": 10, "to": 500, "step": 10}},
}
_TRIALS = {"sampler": "nsga2", "trials": 200, "population": 50}
_HEAVY = _SWEEP | {
    "models": ["mobilenet-v1"],
    "space": {"arch.dense.rows": [8, 16, 24, 32], "arch.dense.cols": [8, 16, 24, 32], "arch.bus.data_bytes": [8, 16]},
}
_PATIENCE_S = 60
_EFFORT = 0.02
_POPULATION = 50


def lines() -> Iterator[str]:
    """The section of the page."""
    yield (
        "What a sweep costs beside its evaluations, in one process; every point of `imagenet-arrays.yaml`, and what a "
        "seeded NSGA-II finds of its fronts with a fiftieth of them; the same sweep on one Dask worker and on two."
    )
    yield ""
    o, e, w = overhead(), exhaustive(), workers()
    yield from table(
        ("", "measured", "required"),
        [
            (f"overhead per point, grid of {o.points:,}, ms", f"{o.grid_ms:.1f}", "< 50"),
            (f"overhead per point, {o.columns:,} points as columns, ms", f"{o.columns_ms:.2f}", "< 2"),
            (f"overhead per point, NSGA-II, {o.trials:,} trials, ms", f"{o.sampler_ms:.1f}", "< 50"),
            (f"{e.points:,} points as columns, stored, fronts by cycle, s", f"{e.wall_s:.0f}", "< 120"),
            *(
                (f"hypervolume of {c.group}'s front, by {c.effort:.2%} of its points", f"{c.share:.1%}", ">= 95 %")
                for c in e.nsga2
            ),
            (f"{w.points} points, one worker, s", f"{w.one_s:.1f}", ""),
            (f"{w.points} points, two workers, s", f"{w.two_s:.1f}", ""),
            ("speed of two workers over one", f"{w.one_s / w.two_s:.2f}", ">= 1.7"),
            ("results point for point", "equal" if w.equal else "**different**", "equal"),
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Milliseconds per point that no evaluation took: proposing, claiming, recording, finding the front."""

    points: int
    grid_ms: float
    columns: int
    """Points of the vectorised path."""
    columns_ms: float
    trials: int
    sampler_ms: float


def overhead() -> Overhead:
    """Of a grid point by point, of one whose points are evaluated together, and of a sampler; in one process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points, grid_ms = _overhead_ms(_SWEEP, folder, "grid.db")
        columns, columns_ms = _overhead_ms(_COLUMNS, folder, "columns.db")
        trials, sampler_ms = _overhead_ms(_SWEEP | {"search": _TRIALS}, folder, "sampler.db")
    return Overhead(
        points=points,
        grid_ms=grid_ms,
        columns=columns,
        columns_ms=columns_ms,
        trials=trials,
        sampler_ms=sampler_ms,
    )


def _overhead_ms(tree: dict[str, Any], folder: Path, study: str) -> tuple[int, float]:
    begin = time.perf_counter()
    result = hwsim.sweep(tree, jobs=0, study=folder / study, cache=folder / "cache")
    spent = time.perf_counter() - begin
    evaluating = sum(point.timings["total"] for point in result.points)
    count = result.specification.file.search.trials if study == "sampler.db" else len(result.points)
    return count, 1e3 * (spent - evaluating) / count


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustive:
    """The example with the most points, every one evaluated, and what searches find of its fronts."""

    points: int
    wall_s: float
    """With storage and with the fronts' second look by the cycle model."""
    nsga2: tuple[Coverage, ...]


def exhaustive() -> Exhaustive:
    """``imagenet-arrays.yaml`` on as many processes as there are cores; NSGA-II with 2 % of the evaluations."""
    file = Path(str(resources.files("workloads.sweeps"))) / "imagenet-arrays.yaml"
    with tempfile.TemporaryDirectory() as folder:
        grid = hwsim.sweep(file, study=Path(folder) / "grid.db", cache=Path(folder) / "cache")
    trials = int(_EFFORT * len(grid.points) / len(grid.fronts))
    settings = SearchSettings(sampler="nsga2", trials=trials, population=_POPULATION)
    return Exhaustive(points=len(grid.points), wall_s=grid.wall_s, nsga2=coverage(grid, settings))


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
