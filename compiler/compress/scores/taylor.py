"""What the loss gains by a weight, to first order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit

__all__ = ["Taylor"]


@SCORES.register(
    "taylor",
    paper="Molchanov, Mallya, Tyree, Frosio, Kautz: Importance Estimation for Neural Network Pruning, CVPR 2019",
)
@dataclass(frozen=True, slots=True)
class Taylor:
    """``(g w)^2``, with ``g`` the mean gradient of the loss: the squared change of the loss when the weight goes."""

    unit: ClassVar[Unit] = "weight"

    def __call__(self, evidence: Evidence) -> Scores:
        """From weights and gradients."""
        means = evidence.trainer.gradients(evidence.graph, evidence.samples).mean
        return {
            layer.weights: np.square(layer.kernels(means[layer.weights]) * layer.value(evidence.graph))
            for layer in evidence.layers
        }
