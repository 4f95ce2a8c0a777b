"""A network on very many architectures at once: cycles, events and energy as arrays, for sweeps.

>>> points = Points.grid(load_arch("dense-16x16"), {"dense.rows": [8, 16, 32], "memory.ifm_kib": [32, 64]})
>>> found = estimate_points("resnet50", points)
>>> found.cycles, found.energy_pj.sum(axis=1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.points.evaluate import PointCosts, point_costs
from compiler.mapping.points.points import Points
from hwsim.energy.model import EnergyModel
from hwsim.energy.prices import COMPONENTS
from hwsim.errors import InputError
from hwsim.network import Network, load_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["PointEstimates", "Points", "estimate_points"]

_TIMING = ("dram.", "control.", "bus.outstanding")
"""Settings that no energy depends on but through the cycles."""


@dataclass(frozen=True, slots=True, eq=False)
class PointEstimates:
    """What one network costs at every point; zeros where it is refused."""

    points: Points
    costs: PointCosts
    """By layer."""
    cycles: NDArray[np.int64]
    """``[points]``."""
    events: NDArray[np.int64]
    """``[points, counters]``, in the order of :data:`rtl.counters.COUNTERS`; stalls are 0."""
    energy_pj: NDArray[np.float64]
    """``[points, components]``, in the order of :data:`hwsim.energy.prices.COMPONENTS`; in the table's unit."""
    clock_mhz: NDArray[np.float64]
    """``[points]``: at the point's voltage."""
    area_mm2: NDArray[np.float64]
    """``[points]``; NaN where the table has none."""
    refused: Mapping[int, str]
    """Points that cannot be built, or cannot take the network, and why."""

    @property
    def latency_us(self) -> NDArray[np.float64]:
        """``[points]``; 0 where it is refused."""
        return self.cycles / np.where(self.clock_mhz > 0, self.clock_mhz, 1)


def estimate_points(model: str | Network, points: Points) -> PointEstimates:
    """Cycles, events and energy of ``model`` at every point, mapped for the fewest cycles.

    Coarser than ``hwsim.estimate(..., fidelity="analytic")``: see ``docs/sweeps.md``.

    Raises:
        ConfigError, ModelError, WorkloadError, InputError: one line that names the culprit.

    """
    network = load_network(model) if isinstance(model, str) else model
    costs = point_costs(network.graph, points)
    cycles, events, refused = costs.network_cycles(), costs.network_events(), dict(costs.refused)
    energy = np.zeros((len(points), len(COMPONENTS)))
    clock, area = np.zeros(len(points)), np.full(len(points), np.nan)
    for alike in _of_one_technology(points):
        group = np.array([point for point in alike.tolist() if point not in refused], np.int64)
        if not len(group):
            continue
        try:
            priced = EnergyModel(points.config(int(group[0])))
        except InputError as error:
            refused |= dict.fromkeys(group.tolist(), str(error))
            continue
        energy[group] = priced.price(events[group], cycles[group])
        clock[group] = priced.clock_mhz
        found = priced.area_mm2()
        if found is not None:
            area[group] = found.total
    gone = list(refused)
    cycles[gone], events[gone] = 0, 0
    return PointEstimates(points, costs, cycles, events, energy, clock, area, refused)


def _of_one_technology(points: Points) -> list[NDArray[np.int64]]:
    """Points by what decides their prices."""
    names = [name for name in points.settings if not name.startswith(_TIMING)]
    if not names:
        return [np.arange(len(points))]
    _, inverse = np.unique(points.numbers(names), axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    return np.split(order, np.cumsum(np.bincount(inverse.ravel()))[:-1])
