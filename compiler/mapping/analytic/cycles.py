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

_DONE = 2
"""Cycles of a program behind its last retirement."""


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
        done = _DONE if k + 1 == len(plans) or plans[k + 1].segment != plan.segment else 0
        others.append(np.array([walk(course.copy(), other) - begin + done for other in contenders[k]], np.int64))
        cycles[k] = walk(course, plan) - begin + done
    return cycles, others


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
