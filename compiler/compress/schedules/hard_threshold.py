"""Project, train, let everything grow again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.compress.masks import Masks
from compiler.compress.schedules.base import SCHEDULES, Job, Stage, shares

__all__ = ["IterativeHardThresholding"]


@SCHEDULES.register(
    "hard-threshold",
    paper="Jin, Yuan, Feng, Yan: Training Skinny Deep Neural Networks with Iterative Hard Thresholding "
    "Methods, arXiv:1607.05423, 2016",
)
@dataclass(frozen=True, slots=True)
class IterativeHardThresholding:
    """``rounds`` times: keep the best weights and train them alone; then set the others free, from zero, and train all.

    The last round ends with the weights that are kept.
    """

    rounds: int = 3

    def stages(self, job: Job) -> Iterator[Stage]:
        """Two trainings a round, of which the last round has the first only."""
        graph = job.graph
        portions = shares(job.epochs, 2 * self.rounds - 1)
        for index in range(self.rounds):
            masks = job.choose(graph, 1.0)
            graph = masks.apply(graph)
            yield Stage(f"thresholded {index + 1} of {self.rounds}", graph, masks)
            if portions[2 * index]:
                graph = job.fit(graph, masks, portions[2 * index])
                yield Stage(f"trained the kept, round {index + 1}", graph, masks)
            if index + 1 < self.rounds and portions[2 * index + 1]:
                graph = job.fit(graph, Masks.none(), portions[2 * index + 1])
