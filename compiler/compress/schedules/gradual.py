"""A little at a time, less and less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.compress.schedules.base import SCHEDULES, Job, Stage, shares

__all__ = ["Gradual"]


@SCHEDULES.register(
    "gradual",
    paper="Zhu, Gupta: To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression, 2017",
)
@dataclass(frozen=True, slots=True)
class Gradual:
    """At step t of n the sparsity is ``s (1 - (1 - t / n)^3)``; between the steps the network is trained.

    What is pruned stays pruned.
    """

    steps: int = 8

    def stages(self, job: Job) -> Iterator[Stage]:
        """``steps`` prunes, each with its share of the training."""
        graph = job.graph
        for step, epochs in enumerate(shares(job.epochs, self.steps), 1):
            masks = job.choose(graph, 1 - (1 - step / self.steps) ** 3)
            graph = masks.apply(graph)
            yield Stage(f"step {step} of {self.steps}", graph, masks)
            if epochs:
                graph = job.fit(graph, masks, epochs)
                yield Stage(f"trained after step {step}", graph, masks)
