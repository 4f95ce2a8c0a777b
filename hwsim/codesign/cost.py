"""What a compressed network costs on an accelerator: the guide of co-design, as an interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from hwsim.energy.prices import COMPONENTS
from hwsim.results import EnergyPj

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from compiler.compress.masks import Masks
    from compiler.ir import Graph

__all__ = ["OBJECTIVES", "CostModel", "LayerCost", "NetworkCost", "Objective", "Unit", "layer_costs"]

Objective = Literal["energy", "latency", "edp"]
OBJECTIVES: tuple[Objective, ...] = ("energy", "latency", "edp")
"""What pruning makes small: pJ, cycles, or their product (energy-delay product)."""

Unit = Literal["channel", "element"]
"""What must go as a whole for the hardware to do less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """Of one layer."""

    energy_pj: float
    cycles: int
    parts: EnergyPj | None = None
    """Where the energy goes; None if the model does not tell."""


def layer_costs(
    names: Sequence[str], parts: NDArray[np.floating], cycles: NDArray[np.floating] | NDArray[np.integer]
) -> dict[str, LayerCost]:
    """By name, what jobs ``names`` take together: ``parts`` ``[jobs, components]`` in pJ, ``cycles`` ``[jobs]``."""
    found: dict[str, LayerCost] = {}
    for name in dict.fromkeys(names):
        mine = [index for index, other in enumerate(names) if other == name]
        energy = EnergyPj(**dict(zip(COMPONENTS, parts[mine].sum(axis=0).tolist(), strict=True)))
        spent = sum(round(float(cycles[index])) for index in mine)
        found[name] = LayerCost(energy_pj=energy.total, cycles=spent, parts=energy)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class NetworkCost:
    """Of a network, by the names of its layers, those without weights included."""

    layers: Mapping[str, LayerCost]

    @property
    def parts(self) -> EnergyPj | None:
        """Where the network's energy goes; None if the model does not tell."""
        known = [layer.parts for layer in self.layers.values() if layer.parts is not None]
        if not known:
            return None
        return EnergyPj(**{name: sum(getattr(part, name) for part in known) for name in COMPONENTS})

    @property
    def energy_pj(self) -> float:
        """The sum."""
        return sum(layer.energy_pj for layer in self.layers.values())

    @property
    def cycles(self) -> int:
        """The sum."""
        return sum(layer.cycles for layer in self.layers.values())

    def value(self, objective: Objective) -> float:
        """What is to be made small."""
        if objective == "energy":
            return self.energy_pj
        return float(self.cycles) if objective == "latency" else self.energy_pj * self.cycles

    def share(self, names: Collection[str], objective: Objective) -> float:
        """The part, 0..1, that some layers have in the objective.

        For the energy-delay product, the relative change of it per relative change of those layers' costs, halved:
        half of their part in the energy and half of their part in the cycles.
        """
        chosen = [cost for name, cost in self.layers.items() if name in names]
        energy = sum(cost.energy_pj for cost in chosen) / (self.energy_pj or 1.0)
        latency = sum(cost.cycles for cost in chosen) / (self.cycles or 1)
        return {"energy": energy, "latency": latency, "edp": (energy + latency) / 2}[objective]


class CostModel(Protocol):
    """Prices a pruned network as one accelerator would run it.

    A candidate is priced within its network and not on its own: a layer that shrinks changes what its neighbours read,
    and what stays in the scratchpads. Zeros count as far as the hardware can use them, so one that it cannot use earns
    nothing.
    """

    @property
    def units(self) -> tuple[Unit, ...]:
        """What saves anything if it goes as a whole, the coarsest first."""
        ...

    @property
    def quantum(self) -> int:
        """How many channels make one more tile; 1 where each counts alone."""
        ...

    def cost(self, graph: Graph, masks: Masks) -> NetworkCost:
        """The cost of ``graph``, a float graph, without what ``masks`` prune.

        Raises:
            ModelError: the accelerator cannot run it.

        """
        ...
