"""The analytic model: what a network costs from its plans alone, layer by layer, in milliseconds.

Events are exactly those of the cycle model (:mod:`compiler.mapping.analytic.events`), stalls apart, which it does not
know. Cycles are close to it (:mod:`compiler.mapping.analytic.cycles`): nine layers in ten within 2 %, the others mostly
small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.mapping.analytic.cycles import plan_cycles
from compiler.mapping.analytic.events import plan_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from compiler.mapping.plan import Plan
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


def analytic_cycles(plans: Sequence[Plan], config: ArchConfig) -> AnalyticCycles:
    """Cycles and events of ``plans`` on ``config``."""
    return AnalyticCycles(plan_cycles(plans, config), plan_events(plans, config))
