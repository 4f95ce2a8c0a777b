"""Prune and retrain, round after round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.compress.schedules.base import SCHEDULES, Job, Stage, shares

__all__ = ["Iterative"]


@SCHEDULES.register(
    "iterative",
    paper="Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural Networks, NIPS 2015",
)
@dataclass(frozen=True, slots=True)
class Iterative:
    """In each of ``rounds`` rounds the same number of weights goes, and the rest is trained."""

    rounds: int = 4

    def stages(self, job: Job) -> Iterator[Stage]:
        """``rounds`` prunes, each with its share of the training."""
        graph = job.graph
        for index, epochs in enumerate(shares(job.epochs, self.rounds), 1):
            masks = job.choose(graph, index / self.rounds)
            graph = masks.apply(graph)
            yield Stage(f"round {index} of {self.rounds}", graph, masks)
            if epochs:
                graph = job.fit(graph, masks, epochs)
                yield Stage(f"trained after round {index}", graph, masks)
