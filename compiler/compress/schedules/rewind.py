"""Lottery tickets: back to the first weights, with the last masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.compress.schedules.base import SCHEDULES, Job, Stage, shares

__all__ = ["Rewind"]


@SCHEDULES.register(
    "rewind",
    paper="Frankle, Carbin: The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks, ICLR 2019; to a "
    "trained state: Frankle, Dziugaite, Roy, Carbin: Linear Mode Connectivity and the Lottery Ticket Hypothesis, "
    "ICML 2020",
)
@dataclass(frozen=True, slots=True)
class Rewind:
    """In each round the same share of what is left goes; what is left returns to its first values and is trained anew.

    The first values are those of the job's ``initial`` network, or of the network as it came.
    """

    rounds: int = 4

    def stages(self, job: Job) -> Iterator[Stage]:
        """After ``rounds`` rounds the weights are the first ones, trained under the final masks."""
        start = job.graph if job.initial is None else job.initial
        trained = job.graph
        for index, epochs in enumerate(shares(job.epochs, self.rounds), 1):
            masks = job.choose(trained, index / self.rounds)
            trained = masks.apply(start)
            yield Stage(f"rewound {index} of {self.rounds}", trained, masks)
            if epochs:
                trained = job.fit(trained, masks, epochs)
                yield Stage(f"trained after round {index}", trained, masks)
