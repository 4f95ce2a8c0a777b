"""Zeroed after every epoch, free to return in the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.compress.masks import Masks
from compiler.compress.schedules.base import SCHEDULES, Job, Stage

__all__ = ["SoftPruning"]


@SCHEDULES.register(
    "soft",
    paper="He, Kang, Dong, Fu, Yang: Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks, "
    "IJCAI 2018",
)
@dataclass(frozen=True, slots=True)
class SoftPruning:
    """Each epoch trains all weights; after it, the lowest of them are set to zero, and may grow again in the next.

    After the last epoch they are gone for good.
    """

    def stages(self, job: Job) -> Iterator[Stage]:
        """One stage an epoch, and one at least."""
        graph = job.graph
        for epoch in range(max(job.epochs, 1)):
            if job.epochs:
                graph = job.fit(graph, Masks.none(), 1)
            masks = job.choose(graph, 1.0)
            graph = masks.apply(graph)
            yield Stage(f"epoch {epoch + 1} of {max(job.epochs, 1)}", graph, masks)
