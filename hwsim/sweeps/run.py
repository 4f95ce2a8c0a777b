"""A sweep from beginning to end: points, the fronts looked at more closely, the fronts in RTL."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import InputError
from hwsim.simulation.build import cache_folder
from hwsim.sweeps.evaluation.outcome import PointTask
from hwsim.sweeps.execution.driver import Driver
from hwsim.sweeps.execution.progress import NOBODY, Progress, Watcher
from hwsim.sweeps.results import SweepResult, feasible_points, figures_of, fronts
from hwsim.sweeps.search.sampling import open_search
from hwsim.sweeps.space.grid import grid, point_id
from hwsim.sweeps.storage.study import StoredPoint, Study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.sweeps.evaluation.outcome import Outcome, PointFidelity
    from hwsim.sweeps.execution.executor import Executor
    from hwsim.sweeps.search.sampling import Proposal
    from hwsim.sweeps.space.grid import Assignment
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["Runner", "default_cache", "grid_points"]

_FRONT_S = 2.0
"""How often the front is computed for whoever watches,"""
_FRONT_SHARE = 50
"""and how many times longer than that takes is waited at least."""
_SHARED = ("id", "fidelity", "state", "reason", "metrics", "timings", "worker", "environment")


def default_cache() -> Path:
    """Where work that points share is kept: beside the compiled simulators."""
    return cache_folder() / "sweeps"


def grid_points(specification: Specification) -> list[PointTask]:
    """Every point of a grid.

    Raises:
        InputError: there is none, or the space is no grid.

    """
    assignments = grid(specification.space, specification.on_settings).assignments()
    if not assignments:
        constraints = " and ".join(constraint.text for constraint in specification.on_settings)
        raise InputError(
            f"constraints: no point of the space satisfies {constraints}; widen the space, or drop one of them"
        )
    return [PointTask(point_id(assignment), assignment) for assignment in assignments]


@dataclass
class _Watched:
    """What is known for the progress of one stage."""

    stage: str
    total: int
    done: int = 0
    failed: int = 0


class Runner:
    """Runs one sweep with one study and one executor."""

    def __init__(
        self,
        specification: Specification,
        study: Study,
        executor: Executor,
        *,
        cache: Path | None = None,
        watcher: Watcher = NOBODY,
    ) -> None:
        self.specification, self.study, self.executor = specification, study, executor
        self._watcher = watcher
        self._driver = Driver(study, executor, cache or default_cache(), self._on_outcomes)
        self._now = _Watched("points", 0)
        self._evaluated = 0
        self._seen: list[StoredPoint] = []
        self._front, self._front_due = 0, 0.0

    def run(self, *, verify: int = 0) -> SweepResult:
        """All points, the fronts by the cycle model, and ``verify`` points of each front in RTL.

        Raises:
            InputError: nothing to do, or the database cannot be used.
            ToolError: the executor is gone.

        """
        begin = time.monotonic()
        file = self.specification.file
        if file.search.sampler == "grid":
            self._finish(grid_points(self.specification), file.fidelity, "points")
        else:
            self._search()
        points = self.study.points(file.fidelity)
        chosen = self._spread(points, file.recheck) if file.fidelity != "cycle" else []
        self._finish(chosen, "cycle", "front, by cycle")
        simulated = self._spread(points, verify)
        self._finish(simulated, "rtl", "front, in RTL")
        return self._result(points, time.monotonic() - begin)

    def _result(self, points: Sequence[StoredPoint], wall_s: float) -> SweepResult:
        file = self.specification.file
        found = fronts(self.specification, points)
        ids = [id_ for front in found for id_ in front.ids]
        rechecked = {p.id: p for p in self.study.points("cycle")} if file.fidelity != "cycle" else {}
        return SweepResult(
            specification=self.specification,
            address=self.study.address,
            points=tuple(points),
            rechecked=rechecked,
            verified={p.id: p for p in self.study.points("rtl")},
            layers=self.study.layers(ids, file.fidelity) | self.study.layers(ids, "cycle"),
            environments=self.study.environments(),
            evaluated=self._evaluated,
            wall_s=wall_s,
        )

    def _spread(self, points: Sequence[StoredPoint], most: int) -> list[PointTask]:
        """The ``most`` points of each front that tell most about it."""
        if not most:
            return []
        by_id = {point.id: point for point in points}
        chosen = [id_ for front in fronts(self.specification, points) for id_ in front.spread[:most]]
        return [PointTask(id_, by_id[id_].assignment) for id_ in chosen]

    def _finish(self, tasks: Sequence[PointTask], fidelity: PointFidelity, stage: str) -> None:
        if not tasks:
            return
        finished = {point.id: point for point in self.study.points(fidelity)}
        there = [finished[task.id] for task in tasks if task.id in finished]
        self._now = _Watched(stage, len(tasks), len(there), sum(point.state == "failed" for point in there))
        if fidelity == self.specification.file.fidelity:
            self._seen = list(finished.values())
        self._tell()
        self._driver.run([task for task in tasks if task.id not in finished], fidelity)
        self._front_due = 0.0
        self._tell()

    def _on_outcomes(self, outcomes: Sequence[Outcome], assignments: dict[str, Assignment]) -> None:
        self._now.done += len(outcomes)
        self._now.failed += sum(outcome.state == "failed" for outcome in outcomes)
        self._evaluated += len(outcomes)
        if self._watcher is not NOBODY and outcomes[0].fidelity == self.specification.file.fidelity:
            self._seen += [
                StoredPoint(**{f: getattr(o, f) for f in _SHARED}, assignment=assignments[o.id]) for o in outcomes
            ]
        self._tell()

    def _tell(self) -> None:
        if self._watcher is NOBODY:
            return
        begin = time.monotonic()
        if begin >= self._front_due:
            self._front = sum(len(front.ids) for front in fronts(self.specification, self._seen))
            spent = time.monotonic() - begin
            self._front_due = begin + max(_FRONT_S, _FRONT_SHARE * spent)
        w = self._now
        self._watcher.at(Progress(stage=w.stage, done=w.done, total=w.total, failed=w.failed, front=self._front))

    def _search(self) -> None:
        """A sampler for each front: one that minds all models at once would only look at the smallest."""
        file = self.specification.file
        groups: list[Assignment] = [{}]
        if len(file.models) > 1 and file.fronts == "per_model":
            groups = [{"model": model} for model in file.models]
        for group in groups:
            name = f"{file.name}/{group['model']}" if group else file.name
            search = open_search(self.specification, self.study.url, name, group)
            while proposals := search.batch():
                results = self._results(proposals)
                search.tell(proposals, results)

    def _results(self, proposals: Sequence[Proposal]) -> dict[str, tuple[list[float], float]]:
        """Objectives of each proposed point that has them, and how many constraints it violates."""
        fidelity = self.specification.file.fidelity
        tasks = {p.id: PointTask(p.id, p.assignment) for p in proposals if p.allowed}
        self._finish(list(tasks.values()), fidelity, f"trials {proposals[0].number}-{proposals[-1].number}")
        points = [point for point in self.study.points(fidelity) if point.id in tasks and point.state == "done"]
        figures = figures_of(points, self.specification.file.objectives)
        feasible = feasible_points(self.specification, points)
        return {
            point.id: (row.tolist(), float(not met)) for point, row, met in zip(points, figures, feasible, strict=True)
        }
