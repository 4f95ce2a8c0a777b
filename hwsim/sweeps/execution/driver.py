"""Points to workers and outcomes to the study, until all are finished, whoever else is at them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hwsim.sweeps.evaluation.environment import environment
from hwsim.sweeps.evaluation.outcome import Outcome, PointTask, Task
from hwsim.sweeps.execution.batches import Batches
from hwsim.sweeps.storage.study import LEASE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hwsim.sweeps.evaluation.outcome import PointFidelity
    from hwsim.sweeps.execution.executor import Executor, Finished
    from hwsim.sweeps.space.grid import Assignment
    from hwsim.sweeps.storage.study import Study

__all__ = ["Driver"]

_POLL_S = 0.5


class Driver:
    """Evaluates points of one study at one fidelity at a time.

    ``on_outcomes`` sees the outcomes that this process has recorded, and what their points set.
    """

    def __init__(
        self,
        study: Study,
        executor: Executor,
        cache: Path,
        on_outcomes: Callable[[Sequence[Outcome], dict[str, Assignment]], None],
    ) -> None:
        self.study, self.executor, self.cache = study, executor, cache
        self._report = on_outcomes
        self._renewed = time.monotonic()
        self._assignments: dict[str, Assignment] = {}

    def run(self, points: Sequence[PointTask], fidelity: PointFidelity) -> None:
        """Finish all ``points``: those that nobody else is at are evaluated here, the others waited for.

        Raises:
            ToolError: the executor is gone. What is finished is recorded.

        """
        waiting = Batches(points, fidelity)
        others: list[PointTask] = []
        under_way = 0
        while waiting or under_way or others:
            while waiting and self.executor.room():
                chunk = waiting.next()
                mine = self.study.claim(chunk, fidelity)
                claimed = {task.id for task in mine}
                others += [task for task in chunk if task.id not in claimed]
                if mine:
                    self._assignments |= {task.id: task.assignment for task in mine}
                    self.executor.submit(Task(self.study.specification, tuple(mine), fidelity, self.cache))
                    under_way += 1
            if not under_way and not waiting:
                others, free = self._others(others, fidelity)
                waiting.add(free)
                continue
            for finished in self.executor.wait(_POLL_S):
                under_way -= 1
                self._record(finished, waiting)
            self._renew()

    def _record(self, finished: Finished, waiting: Batches) -> None:
        """Outcomes to the study; points to do again, in smaller tasks, where a worker was lost with several."""
        task = finished.task
        if finished.lost and len(task.points) > 1:
            self.study.release_points([point.id for point in task.points], task.fidelity)
            waiting.retry(task.points)
            return
        outcomes = finished.outcomes or [_lost(point, task.fidelity, finished.lost) for point in task.points]
        self.study.finish(outcomes, self._assignments)
        waiting.took(sum(outcome.timings.get("total", 0.0) for outcome in outcomes) / len(outcomes))
        self._report(outcomes, self._assignments)
        for outcome in outcomes:
            del self._assignments[outcome.id]

    def _others(self, others: list[PointTask], fidelity: PointFidelity) -> tuple[list[PointTask], list[PointTask]]:
        """Points that somebody else is still at, and those that were given up; waits a little where there are any."""
        state = self.study.open_points([task.id for task in others], fidelity)
        left = [task for task in others if state.get(task.id) == "running"]
        free = [task for task in others if state.get(task.id, "free") == "free"]
        if left and not free:
            time.sleep(_POLL_S)
        return left, free

    def _renew(self) -> None:
        if time.monotonic() - self._renewed > LEASE_S / 4:
            self.study.renew()
            self._renewed = time.monotonic()


def _lost(point: PointTask, fidelity: str, why: str) -> Outcome:
    return Outcome(id=point.id, fidelity=fidelity, state="failed", reason=why, environment=environment())
