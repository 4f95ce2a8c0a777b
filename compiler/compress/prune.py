"""One pruning: a score, a granularity and a target, composed into a choice of masks."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from compiler.compress.granularities.base import GRANULARITIES, Granularity
from compiler.compress.layers import Layer, weight_layers
from compiler.compress.schedules.base import Job, Schedule, Stage
from compiler.compress.scores.base import SCORES, Evidence, Score, Scores
from compiler.compress.units import Units, choose
from compiler.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.masks import Masks
    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["Pruning", "Scope"]

Scope = Literal["layer", "global"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pruning:
    """What to prune. ``sparsity`` is the share of units to remove, 0..1: of each layer, or over all (``global``).

    ``layers`` overrides it by patterns of layer names; 0 leaves a layer alone. ``energy_pj`` is what one weight costs,
    by its tensor's name, for the score that asks. Zero weights go first, so that pruning again prunes more.

    Raises:
        ModelError: the parts do not fit together, or not the network.

    """

    score: Score
    granularity: Granularity
    sparsity: float
    scope: Scope = "layer"
    layers: Mapping[str, float] = field(default_factory=dict)
    samples: int = 256
    seed: int = 0
    energy_pj: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, value in (("sparsity", self.sparsity), *self.layers.items()):
            if not 0 <= value < 1:
                raise ModelError(f"{what}: a sparsity is at least 0 and below 1, not {value}")
        if self.granularity.needs == "weight" and self.score.unit == "filter":
            raise ModelError(
                f"score {SCORES.name_of(self.score)!r} judges filters, granularity "
                f"{GRANULARITIES.name_of(self.granularity)!r} prunes within them; use it with filter, channel or layer"
            )
        if self.scope == "global" and any(self.layers.values()):
            raise ModelError("scope 'global' has one sparsity; of single layers it takes 0 only, to leave them alone")

    def masks(self, graph: Graph, trainer: Trainer, share: float = 1.0) -> Masks:
        """The masks at ``share`` of the sparsity, which may be more than all of it. Layers left alone have none."""
        layers = self._chosen(graph)
        targets = {name: min(share * sparsity, 1.0) for name, sparsity in self._targets(layers).items()}

        def decide(scores: Scores) -> Masks:
            units = _empty_first(graph, self._units(graph, layers, scores))
            sparsity = {name: targets.get(name, min(share * self.sparsity, 1.0)) for name in units.names}
            return choose(units, sparsity)

        evidence = Evidence(
            graph=graph,
            trainer=trainer,
            samples=self.samples,
            seed=self.seed,
            energy_pj=self.energy_pj,
            choose=decide,
        )
        return decide(self.score(evidence))

    def stages(
        self, schedule: Schedule, graph: Graph, trainer: Trainer, epochs: int, initial: Graph | None = None
    ) -> Iterator[Stage]:
        """Prune ``graph`` on ``schedule``."""
        job = Job(
            graph=graph,
            trainer=trainer,
            choose=lambda current, share: self.masks(current, trainer, share),
            epochs=epochs,
            initial=initial,
            groups=self.groups,
        )
        return schedule.stages(job)

    def groups(self, graph: Graph) -> dict[str, NDArray[np.integer] | None]:
        """The units as groups of a penalty: for each layer's weights, the number of each element's group.

        A weight that two units share counts for the one whose filter it is part of.
        """
        layers = self._chosen(graph)
        ones = {layer.weights: np.ones(layer.value(graph).shape) for layer in layers}
        weights = {layer.weights for layer in layers}
        groups: dict[str, NDArray[np.integer] | None] = {}
        for part in self._units(graph, layers, ones).members:
            if part.constant in weights and part.constant not in groups:
                values, numbers = np.unique(part.unit, return_inverse=True)
                if values[0] >= 0:
                    groups[part.constant] = numbers.reshape(part.unit.shape)
        return groups

    def _units(self, graph: Graph, layers: list[Layer], scores: Scores) -> Units:
        chosen = {layer.weights: scores[layer.weights] for layer in layers if layer.weights in scores}
        units = self.granularity.units(graph, layers, chosen)
        return units.pooled() if self.scope == "global" and not units.run else units

    def _targets(self, layers: list[Layer]) -> dict[str, float]:
        targets = {}
        for layer in layers:
            matching = [value for pattern, value in self.layers.items() if fnmatch.fnmatchcase(layer.name, pattern)]
            targets[layer.name] = matching[-1] if matching else self.sparsity
        return targets

    def _chosen(self, graph: Graph) -> list[Layer]:
        """The layers that are not left alone."""
        layers = weight_layers(graph)
        if not layers:
            raise ModelError(f"{graph.name!r} has no layer of constant weights to prune")
        for pattern in self.layers:
            if not any(fnmatch.fnmatchcase(layer.name, pattern) for layer in layers):
                known = ", ".join(layer.name for layer in layers)
                raise ModelError(f"layers: no layer is called {pattern!r}; there are {known}")
        targets = self._targets(layers)
        return [layer for layer in layers if targets[layer.name] > 0 or not self.layers]


def _empty_first(graph: Graph, units: Units) -> Units:
    """Units all of whose elements are zero already rank below all others."""
    alive = np.zeros(len(units) + 1, bool)
    for part in units.members:
        value = graph.constant(part.constant)
        assert value is not None, "units are of constants"
        alive[part.unit[value != 0]] = True
    return replace(units, score=np.where(alive[:-1], units.score, -np.inf))
