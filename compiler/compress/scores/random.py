"""Chance, and the best of several draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit

__all__ = ["RandomSelection"]


@SCORES.register(
    "random",
    paper="Li, Adamczewski, Li, Gu, Timofte, Van Gool: Revisiting Random Channel Pruning for Neural Network "
    "Compression, CVPR 2022",
)
@dataclass(frozen=True, slots=True)
class RandomSelection:
    """Uniform random scores: of ``trials`` draws, the one whose masks leave the highest accuracy before retraining."""

    unit: ClassVar[Unit] = "weight"
    trials: int = 8

    def __call__(self, evidence: Evidence) -> Scores:
        """From the seed, and the trainer's accuracy."""
        rng = np.random.default_rng(evidence.seed)
        draws = [
            {layer.weights: rng.random(layer.value(evidence.graph).shape) for layer in evidence.layers}
            for _ in range(max(self.trials, 1))
        ]
        choose = evidence.choose
        if choose is None or len(draws) == 1:
            return draws[0]
        return max(draws, key=lambda draw: evidence.trainer.evaluate(choose(draw).apply(evidence.graph)))
