"""Sweeps as functions: what ``hwsim sweep`` calls."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from hwsim.sweeps.evaluation.evaluate import evaluate
from hwsim.sweeps.evaluation.outcome import PointTask, Task
from hwsim.sweeps.execution.cluster import Cluster
from hwsim.sweeps.execution.executor import Executor, InProcess
from hwsim.sweeps.execution.processes import Processes
from hwsim.sweeps.execution.progress import NOBODY, Watcher
from hwsim.sweeps.run import Runner, default_cache, grid_points
from hwsim.sweeps.specification.load import load_specification, make_specification
from hwsim.sweeps.storage.study import StoredPoint, Study, stored_points

if TYPE_CHECKING:
    from hwsim.sweeps.evaluation.outcome import Outcome, PointFidelity
    from hwsim.sweeps.results import SweepResult
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["Reproduction", "default_study", "read_sweep", "reproduce", "sweep"]


def sweep(
    description: str | Path | dict[str, Any],
    *,
    study: str | Path | None = None,
    resume: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    verify_front: int = 0,
    trials: int | None = None,
    seed: int | None = None,
    cache: Path | None = None,
    watcher: Watcher = NOBODY,
) -> SweepResult:
    """Evaluate the points of a sweep, and find what is best of them.

    ``description`` is a sweep's file, or what it would hold. ``study`` is a SQLite file or a database's URL (default:
    ``<name>.study.db`` here); ``resume`` goes on with one that exists. ``jobs`` is the number of processes (default: as
    many as there are cores; 0: this process alone), ``scheduler`` the address of a Dask scheduler instead, or
    ``local``. ``verify_front`` points of each front run in RTL. ``trials`` and ``seed`` replace the file's own.

    Raises:
        InputError, ConfigError, ModelError, WorkloadError: one line that names the culprit.
        ToolError: the scheduler is gone, or Dask is not installed. What is finished is in the study.

    """
    specification = read_sweep(description, trials=trials, seed=seed)
    if jobs is not None and jobs < 0:
        raise InputError(f"jobs: {jobs} processes cannot be; 0 is this process alone")
    if verify_front < 0:
        raise InputError(f"verify_front: {verify_front} points cannot be")
    opened = Study(str(study or default_study(specification)), specification, resume=resume)
    try:
        executor = _executor(jobs, scheduler)
        try:
            return Runner(specification, opened, executor, cache=cache, watcher=watcher).run(verify=verify_front)
        finally:
            executor.close()
    finally:
        opened.release()
        opened.close()


def read_sweep(
    description: str | Path | dict[str, Any], *, trials: int | None = None, seed: int | None = None
) -> Specification:
    """The sweep that ``description`` is, with another number of trials or another seed of its sampler.

    Raises:
        InputError, ConfigError, ModelError, WorkloadError: it is none.

    """
    if isinstance(description, dict):
        specification = make_specification(description, Path.cwd(), "sweep")
    else:
        specification = load_specification(Path(description))
    return specification.with_search(trials=trials, seed=seed)


def default_study(specification: Specification) -> Path:
    """Where a sweep's study goes without a name."""
    return Path(f"{specification.file.name}.study.db")


def _executor(jobs: int | None, scheduler: str | None) -> Executor:
    count = jobs if jobs is not None else os.cpu_count() or 1
    if scheduler is not None:
        return Cluster(scheduler, max(count, 1))
    return Processes(count) if count else InProcess()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A point, computed again."""

    task: PointTask
    outcome: Outcome
    recorded: StoredPoint | None
    """What the study says of it; None if there is no study, or no such point in it."""

    def differences(self) -> dict[str, tuple[float, float]]:
        """Figures that are not what was recorded: recorded, and now."""
        if self.recorded is None:
            return {}
        nan = float("nan")
        before, now = self.recorded.metrics, self.outcome.metrics
        changing = {"wall_s", "build_s"}
        names = [n for n in {**before, **now} if n not in changing and before.get(n) != now.get(n)]
        return {name: (before.get(name, nan), now.get(name, nan)) for name in names}


def reproduce(
    description: str | Path | dict[str, Any],
    point: str,
    *,
    study: str | Path | None = None,
    fidelity: PointFidelity | None = None,
    cache: Path | None = None,
) -> Reproduction:
    """Compute one point of a sweep again, in this process, and hold it against the study's record of it.

    ``point`` is its id, or the beginning of it. ``fidelity`` is the sweep's own without it.

    Raises:
        InputError: no such point.

    """
    specification = read_sweep(description)
    chosen = fidelity or specification.file.fidelity
    address = str(study or default_study(specification))
    recorded = stored_points(address, specification.file.name, point, chosen)
    tasks = {record.id: PointTask(record.id, record.assignment) for record in recorded}
    if not tasks and specification.file.search.sampler == "grid":
        tasks = {task.id: task for task in grid_points(specification) if task.id.startswith(point)}
    if len(tasks) != 1:
        many = f"{len(tasks)} points begin so" if tasks else f"neither the study {address} nor the grid has it"
        raise InputError(f"--point {point}: {many}")
    (task,) = tasks.values()
    (outcome,) = evaluate(Task(specification.to_json(), (task,), chosen, cache or default_cache()))
    return Reproduction(task=task, outcome=outcome, recorded=recorded[0] if recorded else None)
