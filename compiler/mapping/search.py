"""The second look: plans that the closed form of :mod:`compiler.mapping.mapper` finds nearly as good, compared.

All contenders of all layers are columns of one evaluation of :mod:`compiler.mapping.analytic.cycles`, each behind the
first choice for the layer before it. A contender takes its layer only if it is better by more than the evaluation is
mostly wrong by, and all that do are taken only if the network is better with them: the first choice is never given up
for a worse one by this measure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.analytic.cycles import Table, plan_cycles, steps_cycles
from compiler.mapping.analytic.events import plan_events
from compiler.mapping.analytic.steps import plan_steps
from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from compiler.mapping.mapper import Objective
    from compiler.mapping.plan import Plan
    from rtl.config import ArchConfig

__all__ = ["refine"]

_MARGIN = 0.04
"""By how much a contender has to be better."""
_WORTH = 0.001
"""And by how much the network."""
_DRAM = [index for index, counter in enumerate(COUNTERS) if counter.name in {"dram_read_bytes", "dram_write_bytes"}]


def refine(
    plans: Sequence[Plan], contenders: Sequence[Sequence[Plan]], config: ArchConfig, objective: Objective
) -> tuple[Plan, ...]:
    """``plans``, some of them exchanged for one of their ``contenders`` (a list for each layer)."""
    others = [(layer, plan) for layer, found in enumerate(contenders) for plan in found]
    if not others:
        return tuple(plans)
    lanes = [*plans, *(plan for _, plan in others)]
    before = [*_before(plans), *(_before(plans)[layer] for layer, _ in others)]
    steps = plan_steps(lanes, config, before)
    prices = _prices(objective, steps_cycles(Table(steps, before), config), plan_events(lanes, config))
    chosen = list(plans)
    best = (1 - _MARGIN) * prices[: len(plans)]
    for (layer, plan), price in zip(others, prices[len(plans) :], strict=True):
        if price < best[layer]:
            chosen[layer], best[layer] = plan, price
    if all(a is b for a, b in zip(chosen, plans, strict=True)):
        return tuple(plans)
    after = _prices(objective, plan_cycles(chosen, config), plan_events(chosen, config))
    return tuple(chosen) if after.sum() < (1 - _WORTH) * prices[: len(plans)].sum() else tuple(plans)


def _before(plans: Sequence[Plan]) -> list[int]:
    """The layer before each, -1 where a program begins."""
    return [k - 1 if k and plans[k - 1].segment == plan.segment else -1 for k, plan in enumerate(plans)]


def _prices(objective: Objective, cycles: NDArray[np.int64], events: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array(
        [
            objective.price(float(spent), float(counted[_DRAM].sum()), counted.tolist())
            for spent, counted in zip(cycles, events, strict=True)
        ]
    )
