"""One layer as a linear least-squares problem: what its output loses, and the weights that lose least.

The layer is ``Y = X W (+ bias)`` with ``X [rows, d]`` what the pruned network feeds it and ``Y [rows, f]`` what it
made before anything was pruned. Everything is told from ``X^T X`` and ``X^T Y``, so the rows are looked at once.

Yang, Chen and Sze, "Designing Energy-Efficient Convolutional Neural Networks using Energy-Aware Pruning", CVPR 2017,
section 4.4. Beyond the paper, what the rows leave open stays near the weights that were (a ridge around them, not
around zero): a few thousand rows do not determine a layer of a thousand inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Problem", "problem"]

RIDGE = 1e-3
"""How strongly weights are held to what they were: of the mean of the diagonal of ``X^T X``."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Sums over the rows, in double precision; of a layer with a bias, about the means."""

    gram: NDArray[np.float64]
    """``X^T X``, ``[d, d]``."""
    cross: NDArray[np.float64]
    """``X^T Y``, ``[d, f]``."""
    square: float
    """``||Y||^2``, the largest error there is."""
    weights: NDArray[np.float64]
    """Those that the layer has, ``[d, f]``."""
    x_mean: NDArray[np.float64]
    """``[d]``; zero for a layer without bias."""
    y_mean: NDArray[np.float64]
    """``[f]``; likewise."""
    damping: float
    """The ridge over the mean of the diagonal of ``gram``."""

    def error(self, weights: NDArray[np.float64]) -> float:
        """``||Y - X W||^2 / ||Y||^2``."""
        total = self.square - 2 * np.vdot(self.cross, weights) + np.vdot(weights, self.gram @ weights)
        return float(max(total, 0.0)) / (self.square or 1.0)

    def bias(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The bias ``[f]`` that goes with ``weights``."""
        return self.y_mean - self.x_mean @ weights

    @property
    def ridge(self) -> float:
        """How strongly weights are held to what they were."""
        return self.damping * float(np.trace(self.gram)) / max(len(self.gram), 1) + np.finfo(np.float64).tiny

    def solve(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The best weights ``[d, f]`` where ``kept`` ``[d, f]``; those of like inputs are solved at once."""
        result = np.zeros_like(self.weights)
        patterns, owner = np.unique(kept, axis=1, return_inverse=True)
        for number in range(patterns.shape[1]):
            rows, outputs = patterns[:, number], np.flatnonzero(owner.reshape(-1) == number)
            if rows.any():
                result[np.ix_(rows, outputs)] = self._solved(rows, outputs)
        return result

    def _solved(self, rows: NDArray[np.bool_], outputs: NDArray[np.intp]) -> NDArray[np.float64]:
        system = self.gram[np.ix_(rows, rows)].copy()
        system[np.diag_indices_from(system)] += self.ridge
        wanted = self.cross[rows][:, outputs] + self.ridge * self.weights[rows][:, outputs]
        return np.asarray(np.linalg.solve(system, wanted), np.float64)


def problem(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    weights: NDArray[np.floating],
    *,
    centred: bool,
    damping: float = RIDGE,
) -> Problem:
    """The problem of rows ``x`` ``[rows, d]`` and ``y`` ``[rows, f]``; ``centred`` for a layer that has a bias."""
    left, right = x.astype(np.float64), y.astype(np.float64)
    x_mean, y_mean = np.zeros(left.shape[1]), np.zeros(right.shape[1])
    if centred:
        x_mean, y_mean = left.mean(axis=0), right.mean(axis=0)
        left, right = left - x_mean, right - y_mean
    return Problem(
        gram=left.T @ left,
        cross=left.T @ right,
        square=float(np.vdot(right, right)),
        weights=weights.astype(np.float64),
        x_mean=x_mean,
        y_mean=y_mean,
        damping=damping,
    )
