"""What a layer's output loses with a weight, when the others make up for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.compress.hessian import hessians
from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit

__all__ = ["OptimalBrainSurgeon"]


@SCORES.register(
    "obs",
    paper="Hassibi, Stork: Second Order Derivatives for Network Pruning: Optimal Brain Surgeon, NIPS 1992; by layers: "
    "Dong, Chen, Pan: Layer-wise Optimal Brain Surgeon, NIPS 2017",
)
@dataclass(frozen=True, slots=True)
class OptimalBrainSurgeon:
    """``w_q^2 / (2 [H^-1]_qq)``, with ``H = X^T X / n`` of the layer's own inputs, inverted in blocks of ``block``.

    ``damping`` times the mean of its diagonal is added to each block's diagonal, so that inputs that never vary do
    not make it singular.
    """

    unit: ClassVar[Unit] = "weight"
    block: int = 512
    damping: float = 0.01

    def __call__(self, evidence: Evidence) -> Scores:
        """From weights and activations."""
        scores = {}
        for layer, hessian in hessians(evidence.graph, evidence.trainer, evidence.samples, self.block):
            rows = layer.value(evidence.graph).reshape(layer.groups, -1, hessian.columns)
            saliency = np.empty(rows.shape)
            for part, inverse in hessian.inverses(self.damping):
                diagonal = np.diagonal(inverse, axis1=1, axis2=2)[:, None, :]
                saliency[:, :, part] = rows[:, :, part] ** 2 / (2 * diagonal)
            scores[layer.weights] = saliency.reshape(layer.value(evidence.graph).shape)
        return scores
