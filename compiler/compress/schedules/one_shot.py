"""All at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.compress.schedules.base import SCHEDULES, Job, Stage

__all__ = ["OneShot"]


@SCHEDULES.register("one-shot", paper="LeCun, Denker, Solla: Optimal Brain Damage, NIPS 1989")
@dataclass(frozen=True, slots=True)
class OneShot:
    """Prune to the target, then train what is left."""

    def stages(self, job: Job) -> Iterator[Stage]:
        """One prune, one training."""
        masks = job.choose(job.graph, 1.0)
        yield Stage("pruned", masks.apply(job.graph), masks)
        if job.epochs:
            yield Stage("trained", job.fit(job.graph, masks, job.epochs), masks)
