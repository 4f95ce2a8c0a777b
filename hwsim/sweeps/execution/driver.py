"""Points to workers and outcomes to the study, until all are finished, whoever else is at them."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from hwsim.sweeps.evaluation.environment import environment
from hwsim.sweeps.evaluation.outcome import Outcome, PointTask, Task
from hwsim.sweeps.storage.study import LEASE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hwsim.sweeps.evaluation.outcome import PointFidelity
    from hwsim.sweeps.execution.executor import Executor, Finished
    from hwsim.sweeps.space.grid import Assignment
    from hwsim.sweeps.storage.study import Study

__all__ = ["Driver"]

_TASK_S = 1.0
"""What a task should take: long beside what sending it costs, short beside what is lost with a worker."""
_MOST_POINTS = 2000
"""Of a task."""
_POLL_S = 0.5
_NETWORK = ("model", "mapping", "rows", "seed")


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
        self._point_s = _TASK_S
        self._assignments: dict[str, Assignment] = {}
        self._alone: set[str] = set()
        """Points that were with a worker that died: each is given one to itself, to see which it was."""

    def run(self, points: Sequence[PointTask], fidelity: PointFidelity) -> None:
        """Finish all ``points``: those that nobody else is at are evaluated here, the others waited for.

        Raises:
            ToolError: the executor is gone. What is finished is recorded.

        """
        waiting = deque(points)
        others: list[PointTask] = []
        under_way = 0
        while waiting or under_way or others:
            while waiting and self.executor.room():
                chunk = self._chunk(waiting)
                mine = self.study.claim(chunk, fidelity)
                claimed = {task.id for task in mine}
                others += [task for task in chunk if task.id not in claimed]
                if mine:
                    self._assignments |= {task.id: task.assignment for task in mine}
                    self.executor.submit(Task(self.study.specification, tuple(mine), fidelity, self.cache))
                    under_way += 1
            if not under_way and not waiting:
                others, free = self._others(others, fidelity)
                waiting.extend(free)
                continue
            for finished in self.executor.wait(_POLL_S):
                under_way -= 1
                waiting.extendleft(self._record(finished))
            self._renew()

    def _chunk(self, waiting: deque[PointTask]) -> list[PointTask]:
        """The next points of one network, as many as take a task's time."""
        most = max(1, min(_MOST_POINTS, int(_TASK_S / max(self._point_s, 1e-6))))
        chunk = [waiting.popleft()]
        key = _network(chunk[0])
        if chunk[0].id in self._alone:
            return chunk
        while waiting and len(chunk) < most and _network(waiting[0]) == key and waiting[0].id not in self._alone:
            chunk.append(waiting.popleft())
        return chunk

    def _record(self, finished: Finished) -> list[PointTask]:
        """Outcomes to the study; points to do again, one by one, where a worker was lost with several."""
        task = finished.task
        if finished.lost and len(task.points) > 1:
            self.study.release_points([point.id for point in task.points], task.fidelity)
            self._alone |= {point.id for point in task.points}
            return list(task.points)
        outcomes = finished.outcomes or [_lost(point, task.fidelity, finished.lost) for point in task.points]
        self.study.finish(outcomes, self._assignments)
        spent = sum(outcome.timings.get("total", 0.0) for outcome in outcomes) / len(outcomes)
        # The last task's, mostly: the first points of a network wait for it to be loaded.
        self._point_s = 0.7 * spent + 0.3 * min(self._point_s, _TASK_S)
        self._report(outcomes, self._assignments)
        for outcome in outcomes:
            del self._assignments[outcome.id]
        return []

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


def _network(point: PointTask) -> tuple:
    """What points of one task have in common: settings that decide the network and the way it is mapped."""
    return tuple((n, v) for n, v in point.assignment.items() if n in _NETWORK or n.startswith("recipe."))


def _lost(point: PointTask, fidelity: str, why: str) -> Outcome:
    return Outcome(id=point.id, fidelity=fidelity, state="failed", reason=why, environment=environment())
