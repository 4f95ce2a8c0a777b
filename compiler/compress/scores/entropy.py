"""How much a filter's output tells of the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit, feature_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FeatureEntropy"]


@SCORES.register(
    "entropy", paper="Luo, Wu: An Entropy-based Pruning Method for CNN Compression, arXiv:1706.05791, 2017"
)
@dataclass(frozen=True, slots=True)
class FeatureEntropy:
    """Entropy, in bits, of a filter's spatial mean over the samples, by a histogram of ``bins`` over its own range."""

    unit: ClassVar[Unit] = "filter"
    bins: int = 32

    def __call__(self, evidence: Evidence) -> Scores:
        """From activations."""
        return {name: self._entropy(maps.mean(axis=2)) for name, maps in feature_maps(evidence).items()}

    def _entropy(self, means: NDArray[np.floating]) -> NDArray[np.float64]:
        """Of each column of ``means [n, filters]``."""
        low, high = means.min(axis=0), means.max(axis=0)
        width = np.where(high > low, high - low, 1)
        cells = np.minimum(((means - low) / width * self.bins).astype(np.int64), self.bins - 1)
        counts = np.stack([np.bincount(column, minlength=self.bins) for column in cells.T])
        share = counts / len(means)
        return -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)
