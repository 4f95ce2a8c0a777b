"""What a granularity is: which weights go together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from compiler.compress.registry import Registry
from compiler.compress.scores.base import Scores, Unit
from compiler.compress.units import Members, Units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.layers import Layer
    from compiler.ir import Graph

__all__ = ["GRANULARITIES", "Granularity", "PatternGranularity"]


class Granularity(Protocol):
    """A registered granularity: a frozen dataclass whose fields are its settings."""

    needs: ClassVar[Unit]
    """What a score must tell apart for it: single weights, or filters (then scores of either kind do)."""
    shrinks: ClassVar[bool]
    """Whether what it prunes can be taken out of the network as a whole."""

    def units(self, graph: Graph, layers: list[Layer], scores: Scores) -> Units:
        """The units of the ``layers`` that have scores, scored by the mean over their weights."""
        ...

    def fixed_sparsity(self) -> float | None:
        """The sparsity that its pattern implies; None where any will do."""
        ...


GRANULARITIES: Registry[type[Granularity]] = Registry("granularity")


@dataclass(frozen=True, slots=True)
class PatternGranularity(ABC):
    """A pattern within each layer's kernels. Each layer is a pool."""

    needs: ClassVar[Unit] = "weight"
    shrinks: ClassVar[bool] = False

    @abstractmethod
    def labels(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The unit of each weight of kernels ``[filters, channels, height, width]``, numbered from 0 without gaps."""

    def fixed_sparsity(self) -> float | None:
        """Any."""
        return None

    def units(self, graph: Graph, layers: list[Layer], scores: Scores) -> Units:
        """The pattern in every layer that has scores."""
        return _joined([self._of_layer(graph, la, scores[la.weights]) for la in layers if la.weights in scores])

    def _of_layer(self, graph: Graph, layer: Layer, score: NDArray[np.floating]) -> Units:
        labels = self.labels(layer.value(graph).shape)
        flat = labels.reshape(-1)
        size = np.bincount(flat)
        total = np.bincount(flat, score.reshape(-1).astype(np.float64))
        members = (Members(layer.weights, layer.restore(labels)),)
        return Units(total / size, size, np.zeros(len(size), np.int64), (layer.name,), members)


def _joined(parts: list[Units]) -> Units:
    """The units of several layers under one numbering."""
    if not parts:
        empty = np.zeros(0, np.int64)
        return Units(empty.astype(np.float64), empty, empty, (), ())
    first_pool = _offsets([len(units.names) for units in parts])
    first_unit = _offsets([len(units) for units in parts])
    return Units(
        np.concatenate([units.score for units in parts]),
        np.concatenate([units.size for units in parts]),
        np.concatenate([units.pool + first for units, first in zip(parts, first_pool, strict=True)]),
        tuple(name for units in parts for name in units.names),
        tuple(
            Members(member.constant, np.where(member.unit < 0, -1, member.unit + first))
            for units, first in zip(parts, first_unit, strict=True)
            for member in units.members
        ),
    )


def _offsets(sizes: list[int]) -> list[int]:
    return [0, *np.cumsum(sizes)[:-1].tolist()]
