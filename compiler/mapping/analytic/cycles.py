"""Cycles of plans: their loops on a machine, layer by layer, without an instruction being made.

Those of dense layers are exact. What a sparse layer takes is its expectation, in its place among the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.analytic.course import Course
from compiler.mapping.analytic.machine import Ports
from compiler.mapping.analytic.sparse_walk import walk_sparse
from compiler.mapping.analytic.walk import walk
from compiler.mapping.plan import Plan
from compiler.mapping.sparse.expected import ExpectedFlows

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from compiler.mapping.sparse.plan import SparsePlan
    from rtl.config import ArchConfig

__all__ = ["contender_cycles", "plan_cycles"]


def plan_cycles(
    plans: Sequence[Plan | SparsePlan], config: ArchConfig, density: Mapping[str, float] | None = None
) -> NDArray[np.int64]:
    """``[plans]``: cycles of each layer, from the end of the ones before to its own.

    ``density`` has the share of elements other than zero of the input of every sparse layer, by tensor.
    """
    return contender_cycles(plans, [()] * len(plans), config, density)[0]


def contender_cycles(
    plans: Sequence[Plan | SparsePlan],
    contenders: Sequence[Sequence[Plan]],
    config: ArchConfig,
    density: Mapping[str, float] | None = None,
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Cycles of ``plans``, and of the ``contenders`` of each of them, in its place behind those before it."""
    known = density or {}
    ports = _ports(config)
    cycles = np.zeros(len(plans), np.int64)
    others: list[NDArray[np.int64]] = []
    course = Course(config, ports)
    for k, plan in enumerate(plans):
        if k == 0 or plan.segment != plans[k - 1].segment:
            course = Course(config, ports)
        begin = course.machine.end
        over = _done if k + 1 == len(plans) or plans[k + 1].segment != plan.segment else _end
        others.append(np.array([over(course.copy(), other, known) - begin for other in contenders[k]], np.int64))
        cycles[k] = over(course, plan, known) - begin
    return cycles, others


def _add(course: Course, plan: Plan | SparsePlan, density: Mapping[str, float]) -> None:
    """Add a layer."""
    if isinstance(plan, Plan):
        walk(course, plan)
    else:
        walk_sparse(course, plan, ExpectedFlows(plan, course.config, density[plan.job.source]))


def _end(course: Course, plan: Plan | SparsePlan, density: Mapping[str, float]) -> int:
    """Add a layer; its last retirement."""
    _add(course, plan, density)
    return course.machine.end


def _done(course: Course, plan: Plan | SparsePlan, density: Mapping[str, float]) -> int:
    """Add the last layer of a program; the cycles of that program."""
    _add(course, plan, density)
    return course.machine.done + 1


_KEPT: dict[Hashable, Ports] = {}
_MOST = 8


def _ports(config: ArchConfig) -> Ports:
    """The tables of the bus and the DRAM of ``config``, kept for the next evaluation."""
    key = config.bus, config.dram
    found = _KEPT.pop(key, None) or Ports(config)
    _KEPT[key] = found
    while len(_KEPT) > _MOST:
        del _KEPT[next(iter(_KEPT))]
    return found
