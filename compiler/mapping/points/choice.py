"""The mapper's choice for every job and point: first the cuts, job by job, then what stays in IFM between jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.mapper import LOAD_OVERHEAD, STRIP_OVERHEAD
from compiler.mapping.plan import Area

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.mapping.points.cuts import CutTable, Situations
    from compiler.mapping.points.shape import JobShape

__all__ = ["Choice", "Kept", "Traffic", "choose"]

_DEAR = 1e-3
"""Cycles that a byte of traffic counts for among equals, as in :meth:`compiler.mapping.mapper.Objective.price`."""


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """The bus of every point, ``[points]``."""

    bytes_per_cycle: NDArray[np.float64]
    latency: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """How a job is done, ``[points]``."""

    height: NDArray[np.int64]
    width: NDArray[np.int64]
    group: NDArray[np.int64]
    hold_weights: NDArray[np.bool_]
    hold_input: NDArray[np.bool_]
    kept_input: NDArray[np.bool_]
    kept_skip: NDArray[np.bool_]


class Kept:
    """Which whole input is in IFM behind each job, ``[points]``: as in :mod:`compiler.mapping.planner`."""

    def __init__(self, points: int) -> None:
        self._names: list[tuple[object, ...]] = []
        self._now = np.full(points, -1)

    def forget(self) -> None:
        """The host has been at work."""
        self._now = np.full(len(self._now), -1)

    def job(
        self, shape: JobShape, s: Situations, cut: dict[str, NDArray], ifm: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether a job holds its input, has it kept, has its residual kept; ``s`` and ``cut`` by point."""
        job = shape.job
        name = self._number(shape.whole_input)
        single = cut["whole"] & ~s.source
        loads_skip = np.full(len(single), job.skip is not None) & ~s.skip
        kept_input = single & (self._now == name) & ~loads_skip
        kept_skip = s.source & loads_skip & np.isin(self._now, self._residuals(shape))
        loads = ~s.source | (loads_skip & ~kept_skip)
        hold = ~kept_input & ~kept_skip & loads & (cut["groups"] > 1) & (cut["held_bytes"] <= ifm)
        loads_skip &= ~kept_skip
        untouched = s.source & ~loads_skip
        there = single & ~loads_skip & (kept_input | hold | (cut["groups"] == 1))
        self._now = np.where(untouched, self._now, np.where(there, name, -1))
        return hold, kept_input, kept_skip

    def _number(self, name: tuple[object, ...]) -> int:
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name)

    def _residuals(self, shape: JobShape) -> list[int]:
        """The inputs that are the residual of this job, unpadded."""
        height, width, _ = shape.job.out_shape
        wanted = (shape.job.skip, Area(0, 0, height, width), None)
        return [k for k, (tensor, area, _, fill) in enumerate(self._names) if (tensor, area, fill) == wanted]


def choose(
    shape: JobShape, table: CutTable, situation: NDArray[np.int64], stores: NDArray[np.bool_], traffic: Traffic
) -> NDArray[np.int64]:
    """``[points]``: the candidate with the fewest cycles by the closed form, among equals the first.

    ``situation`` is the column of ``table`` that each point is in; ``stores``: its output does not stay in OFM.
    """
    if len(table.height) == 1:
        return np.zeros(len(situation), np.int64)
    rate, pixels = traffic.bytes_per_cycle, shape.job.out_shape[0] * shape.job.out_shape[1]

    def of(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return values[:, situation]

    load_bytes, groups, last = of(table.load_bytes), of(table.groups), of(table.last_pixels)
    load = load_bytes / rate + LOAD_OVERHEAD * of(table.loads)
    beats = np.where(groups == 1, table.out_bytes / rate, pixels * groups * (of(table.strip) / rate + STRIP_OVERHEAD))
    fill = of(table.first_bytes) / rate + 2 * traffic.latency
    drain = last + np.where(stores, last * table.out_bytes / pixels / rate, 0)
    busy = np.maximum(np.maximum(of(table.compute), of(table.post)), np.maximum(load, np.where(stores, beats, 0)))
    moved = load_bytes + np.where(stores, table.out_bytes, 0)
    return np.argmin(busy + fill + drain + _DEAR * moved, axis=0)
