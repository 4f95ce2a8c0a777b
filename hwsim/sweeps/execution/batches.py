"""Which points go to a worker together: those of one network; at the vectorised model, those of one array as well."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.sweeps.evaluation.outcome import PointFidelity, PointTask

__all__ = ["Batches"]

_TASK_S = 1.0
"""What a task should take: long beside what sending it costs, short beside what is lost with a worker."""
_MOST_POINTS = 2000
"""Of a task,"""
_MOST_COLUMNS = 4000
"""and of one whose points are evaluated together,"""
_LEAST_TASKS = 8
"""of which there are so many at least, that progress is seen and no worker is idle for long."""
_NETWORK = ("model", "mapping", "rows", "seed")
_ARRAY = ("arch.dense.", "arch.bus.", "arch.memory.weight_kib")
"""What the vectorised model lays a network out for; all else is columns."""


class Batches:
    """``points`` that wait to be evaluated at ``fidelity``, in the order in which they are handed out."""

    def __init__(self, points: Sequence[PointTask], fidelity: PointFidelity) -> None:
        self._together = fidelity == "vectorised"
        ordered = sorted(points, key=_layout) if self._together else points
        self._waiting = deque(ordered)
        self._columns = max(1, min(_MOST_COLUMNS, len(points) // _LEAST_TASKS))
        self._point_s = _TASK_S
        self._limit: dict[str, int] = {}
        """Of tasks with points that were with a worker that died."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, points: Sequence[PointTask]) -> None:
        """Points that are free again."""
        self._waiting.extend(points)

    def retry(self, points: Sequence[PointTask]) -> None:
        """Points of a task whose worker died, to be done next, in smaller tasks: one of them may have been the cause.

        Each by itself; or half as many, where by itself a point takes nearly as long as with others.
        """
        limit = max(1, len(points) // 2) if self._together else 1
        self._limit |= {point.id: limit for point in points}
        self._waiting.extendleft(reversed(points))

    def took(self, seconds: float) -> None:
        """The mean time of a point in a task that is finished."""
        # The last task's, mostly: the first points of a network wait for it to be loaded.
        self._point_s = 0.7 * seconds + 0.3 * min(self._point_s, _TASK_S)

    def next(self) -> list[PointTask]:
        """The next points of one network, as many as take a task's time; whole arrays, where that can be."""
        first = self._waiting[0]
        most = self._columns if self._together else max(1, min(_MOST_POINTS, int(_TASK_S / max(self._point_s, 1e-6))))
        most = min(most, self._limit.get(first.id, most))
        network, batch, whole = _network(first), [self._waiting.popleft()], 0
        while self._waiting and len(batch) < most and self._joins(self._waiting[0], network):
            point = self._waiting.popleft()
            if self._together and _layout(point) != _layout(batch[-1]):
                whole = len(batch)
            batch.append(point)
        if not whole or not self._waiting or _layout(self._waiting[0]) != _layout(batch[-1]):
            return batch
        self._waiting.extendleft(reversed(batch[whole:]))
        return batch[:whole]

    def _joins(self, point: PointTask, network: tuple) -> bool:
        return (self._together or point.id not in self._limit) and _network(point) == network


def _network(point: PointTask) -> tuple:
    """What points of one task have in common: settings that decide the network and the way it is mapped."""
    return tuple((n, v) for n, v in point.assignment.items() if n in _NETWORK or n.startswith("recipe."))


def _layout(point: PointTask) -> str:
    """Equal at points that the vectorised model lays out alike."""
    settings = point.assignment.items()
    fixed = [(n, v) for n, v in settings if not n.startswith("arch.")]
    return json.dumps([*fixed, *((n, v) for n, v in settings if n.startswith(_ARRAY))])
