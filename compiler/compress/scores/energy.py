"""What a weight is worth for the energy that it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit
from compiler.errors import ModelError

__all__ = ["MagnitudePerEnergy"]


@SCORES.register(
    "energy",
    paper="Yang, Chen, Sze: Designing Energy-Efficient Convolutional Neural Networks using Energy-Aware Pruning, "
    "CVPR 2017",
)
@dataclass(frozen=True, slots=True)
class MagnitudePerEnergy:
    """``w^2`` over the energy that one weight of the layer costs; it differs from magnitude where layers compete."""

    unit: ClassVar[Unit] = "weight"

    def __call__(self, evidence: Evidence) -> Scores:
        """From weights and the energy model's figures.

        Raises:
            ModelError: there is no positive figure for a layer.

        """
        scores = {}
        for layer in evidence.layers:
            cost = evidence.energy_pj.get(layer.weights, 0.0)
            if cost <= 0:
                raise ModelError(
                    f"score 'energy': the energy per weight of layer {layer.name!r} is not known; name an architecture"
                )
            scores[layer.weights] = np.square(layer.value(evidence.graph)) / cost
        return scores
