"""The size of a weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit

__all__ = ["Magnitude"]


@SCORES.register(
    "magnitude",
    paper="Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural Networks, NIPS 2015",
)
@dataclass(frozen=True, slots=True)
class Magnitude:
    """``|w|^power``: over a group, its L1 norm (power 1) or squared L2 norm (2), divided by its size."""

    unit: ClassVar[Unit] = "weight"
    power: float = 1.0

    def __call__(self, evidence: Evidence) -> Scores:
        """From the weights alone."""
        return {layer.weights: np.abs(layer.value(evidence.graph)) ** self.power for layer in evidence.layers}
