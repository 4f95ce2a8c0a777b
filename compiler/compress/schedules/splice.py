"""Prune, and splice back what turns out to matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compiler.compress.masks import Masks
from compiler.compress.quantisers.masked import MaskedForward
from compiler.compress.schedules.base import SCHEDULES, Job, Stage, shares
from compiler.ir import Graph

__all__ = ["PruneAndSplice"]


@SCHEDULES.register("splice", paper="Guo, Yao, Chen: Dynamic Network Surgery for Efficient DNNs, NIPS 2016")
@dataclass(frozen=True, slots=True)
class PruneAndSplice:
    """Pruned weights leave the forward pass, not the training: their gradients go on, and they may come back.

    After each round what ranks below ``(1 - margin)`` times the target goes, what ranks above ``(1 + margin)`` times it
    comes back, and what lies between stays as it is (the paper's two thresholds). The last fifth of the training, one
    epoch at least, is done under the final masks.
    """

    rounds: int = 8
    margin: float = 0.1

    def stages(self, job: Job) -> Iterator[Stage]:
        """``rounds`` times surgery and training of all weights; then the exact target."""
        dense, final = job.graph, min(job.epochs, max(1, job.epochs // 5))
        masks = Masks.none()
        for index, epochs in enumerate(shares(job.epochs - final, self.rounds), 1):
            masks = self._surgery(job, masks, dense, index)
            yield Stage(f"surgery {index} of {self.rounds}", masks.apply(dense), masks)
            if epochs:
                quantisers = dict(job.quantisers or {})
                for name, mask in masks.kept.items():
                    quantisers[name] = MaskedForward(mask, quantisers.get(name))
                dense = job.trainer.fit(dense, Masks.none(), epochs, quantisers=quantisers)
        # what is pruned now goes first: it is what the network was trained without
        masks = job.choose(masks.apply(dense), 1.0)
        yield Stage("pruned", masks.apply(dense), masks)
        if final:
            yield Stage("trained", job.fit(dense, masks, final), masks)

    def _surgery(self, job: Job, before: Masks, dense: Graph, index: int) -> Masks:
        # early rounds prune most, so that most of the training can still mend the choice
        share = 1 - (1 - index / self.rounds) ** 3
        if not len(before):
            return job.choose(dense, share)
        surely_pruned = job.choose(dense, share * (1 - self.margin))
        still_kept = job.choose(dense, share * (1 + self.margin))
        return Masks(
            {
                name: still_kept[name] | (np.asarray(keep) & before.kept.get(name, np.True_))
                for name, keep in surely_pruned.kept.items()
            }
        )
