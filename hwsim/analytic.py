"""The analytic model: what a network costs from its plans alone, layer by layer, in milliseconds.

Of dense layers events (:mod:`compiler.mapping.analytic.events`) and cycles (:mod:`compiler.mapping.analytic.cycles`)
are those of the cycle model to the last one, stalls apart, which it does not know: it derives them from the plans, and
makes no program. Of sparse layers both are what the densities of their inputs lead to expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.analytic.cycles import plan_cycles
from compiler.mapping.analytic.events import plan_events
from compiler.mapping.plan import Plan
from compiler.mapping.sparse.events import sparse_events
from compiler.mapping.sparse.plan import SparsePlan
from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rtl.config import ArchConfig

__all__ = ["AnalyticCycles", "analytic_cycles"]


@dataclass(frozen=True, slots=True, eq=False)
class AnalyticCycles:
    """A network's cycles and events."""

    layers: NDArray[np.int64]
    """``[layers]``."""
    counters: NDArray[np.int64]
    """``[layers, counters]``, stalls 0."""

    @property
    def cycles(self) -> int:
        """Of the whole network."""
        return int(self.layers.sum())


def analytic_cycles(
    plans: Sequence[Plan | SparsePlan], config: ArchConfig, density: Mapping[str, float]
) -> AnalyticCycles:
    """Cycles and events of ``plans`` on ``config``, for inputs of sparse layers of that ``density``, by tensor."""
    counters = np.zeros((len(plans), len(COUNTERS)), np.int64)
    dense = {k: plan for k, plan in enumerate(plans) if isinstance(plan, Plan)}
    if dense:
        counters[list(dense)] = plan_events(list(dense.values()), config)
    for k, plan in enumerate(plans):
        if isinstance(plan, SparsePlan):
            counters[k] = sparse_events(plan, config, density[plan.job.source])
    return AnalyticCycles(plan_cycles(plans, config, density), counters)
