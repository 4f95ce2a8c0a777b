"""What a schedule is: when what share is pruned, and what is trained in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from compiler.compress.masks import Masks
from compiler.compress.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compiler.compress.quantisers.base import WeightQuantiser
    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["SCHEDULES", "Job", "Schedule", "Stage", "shares"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Job:
    """A network to prune. ``choose(graph, share)`` gives the masks at ``share`` (0..1) of the final sparsity."""

    graph: Graph
    trainer: Trainer
    choose: Callable[[Graph, float], Masks]
    epochs: int
    """Of training, in all."""
    initial: Graph | None = None
    """The network that rewinding goes back to; ``graph`` itself where there is none."""
    groups: Callable[[Graph], Mapping[str, NDArray[np.integer] | None]] = field(default=lambda _: {})
    """The groups of the granularity, for a penalty on their norms."""
    quantisers: Mapping[str, WeightQuantiser] | None = None

    def fit(self, graph: Graph, masks: Masks, epochs: int) -> Graph:
        """Train under masks."""
        return self.trainer.fit(graph, masks, epochs, quantisers=self.quantisers)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Where a schedule has got to. The last stage's graph has its masks applied, and is the result."""

    what: str
    graph: Graph
    masks: Masks


class Schedule(Protocol):
    """A registered schedule: a frozen dataclass whose fields are its settings."""

    def stages(self, job: Job) -> Iterator[Stage]:
        """Prune and train, reporting each stage as it is reached."""
        ...


SCHEDULES: Registry[type[Schedule]] = Registry("schedule")


def shares(epochs: int, parts: int) -> list[int]:
    """``epochs`` dealt out to ``parts``, as evenly as it goes, the last ones first in line for what is left over."""
    return [(epochs * (i + 1)) // parts - (epochs * i) // parts for i in range(parts)]
