"""The second look: plans that the closed form of :mod:`compiler.mapping.mapper` finds nearly as good, compared.

All contenders of all layers are evaluated by :mod:`compiler.mapping.analytic.cycles`, each behind the first choices for
the layers before it. A contender takes its layer only if it is clearly better there, since it changes what the layers
behind it find, and all that do are taken only if the network is better with them: the first choice is never given up
for a worse one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.analytic.cycles import contender_cycles, plan_cycles
from compiler.mapping.analytic.events import plan_events
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
    if not any(contenders):
        return tuple(plans)
    spent, others = contender_cycles(plans, contenders, config)
    prices = _prices(objective, spent, plan_events(plans, config))
    flat = [plan for found in contenders for plan in found]
    theirs = iter(_prices(objective, np.concatenate(others), plan_events(flat, config)))
    chosen = list(plans)
    best = (1 - _MARGIN) * prices
    for layer, found in enumerate(contenders):
        for plan in found:
            price = next(theirs)
            if price < best[layer]:
                chosen[layer], best[layer] = plan, price
    if all(a is b for a, b in zip(chosen, plans, strict=True)):
        return tuple(plans)
    after = _prices(objective, plan_cycles(chosen, config), plan_events(chosen, config))
    return tuple(chosen) if after.sum() < (1 - _WORTH) * prices.sum() else tuple(plans)


def _prices(objective: Objective, cycles: NDArray[np.int64], events: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array(
        [
            objective.price(float(spent), float(counted[_DRAM].sum()), counted.tolist())
            for spent, counted in zip(cycles, events, strict=True)
        ]
    )
