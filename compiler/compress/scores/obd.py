"""What the loss gains by a weight, to second order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit

__all__ = ["OptimalBrainDamage"]


@SCORES.register("obd", paper="LeCun, Denker, Solla: Optimal Brain Damage, NIPS 1989")
@dataclass(frozen=True, slots=True)
class OptimalBrainDamage:
    """``h w^2 / 2``, with ``h`` the diagonal of the Hessian of the loss.

    ``h`` is taken as the diagonal of the empirical Fisher matrix, ``E[g^2]``, which it equals where the network has
    learnt its data.
    """

    unit: ClassVar[Unit] = "weight"

    def __call__(self, evidence: Evidence) -> Scores:
        """From weights and gradients."""
        squares = evidence.trainer.gradients(evidence.graph, evidence.samples).square
        return {
            layer.weights: layer.kernels(squares[layer.weights]) * layer.value(evidence.graph) ** 2 / 2
            for layer in evidence.layers
        }
