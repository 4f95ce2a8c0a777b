"""Cycles of plans, closely: their loops on a machine, layer by layer, without an instruction being made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.analytic.course import Course
from compiler.mapping.analytic.machine import Ports
from compiler.mapping.analytic.walk import walk

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from compiler.mapping.plan import Plan
    from rtl.config import ArchConfig

__all__ = ["contender_cycles", "plan_cycles"]


def plan_cycles(plans: Sequence[Plan], config: ArchConfig) -> NDArray[np.int64]:
    """``[plans]``: cycles of each layer, from the end of the ones before to its own."""
    return contender_cycles(plans, [()] * len(plans), config)[0]


def contender_cycles(
    plans: Sequence[Plan], contenders: Sequence[Sequence[Plan]], config: ArchConfig
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Cycles of ``plans``, and of the ``contenders`` of each of them, in its place behind those before it."""
    ports = _ports(config)
    cycles = np.zeros(len(plans), np.int64)
    others: list[NDArray[np.int64]] = []
    course = Course(config, ports)
    for k, plan in enumerate(plans):
        if k == 0 or plan.segment != plans[k - 1].segment:
            course = Course(config, ports)
        begin = course.machine.end
        over = _done if k + 1 == len(plans) or plans[k + 1].segment != plan.segment else _end
        others.append(np.array([over(course.copy(), other) - begin for other in contenders[k]], np.int64))
        cycles[k] = over(course, plan) - begin
    return cycles, others


def _end(course: Course, plan: Plan) -> int:
    """Add a layer; its last retirement."""
    walk(course, plan)
    return course.machine.end


def _done(course: Course, plan: Plan) -> int:
    """Add the last layer of a program; the cycles of that program."""
    walk(course, plan)
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
