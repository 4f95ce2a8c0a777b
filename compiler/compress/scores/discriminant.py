"""How well a filter's output tells the classes apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit, feature_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FisherDiscriminant", "IntraclassCorrelation", "mean_squares"]

SMALLEST = 1e-12


def mean_squares(
    features: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """One-way analysis of variance of each column of ``features [n, filters]``.

    Returns the mean squares between and within classes, and the mean size of a class, corrected for unequal ones as
    in Shrout and Fleiss, 1979.
    """
    classes, members = np.unique(labels, return_inverse=True)
    sizes = np.bincount(members).astype(np.float64)
    features = features.astype(np.float64)
    sums = np.zeros((len(classes), features.shape[1]))
    np.add.at(sums, members, features)
    means = sums / sizes[:, None]
    between = (sizes[:, None] * (means - features.mean(axis=0)) ** 2).sum(axis=0)
    within = ((features - means[members]) ** 2).sum(axis=0)
    count, n = len(classes), len(features)
    size = (n - (sizes**2).sum() / n) / max(count - 1, 1)
    return between / max(count - 1, 1), within / max(n - count, 1), float(size)


@SCORES.register(
    "lda",
    paper="Tian, Arbel, Clark: Deep LDA-Pruned Nets for Efficient Facial Gender Classification, CVPR Workshops 2017",
)
@dataclass(frozen=True, slots=True)
class FisherDiscriminant:
    """Fisher's ratio of a filter's spatial mean: variance between the classes over variance within them."""

    unit: ClassVar[Unit] = "filter"

    def __call__(self, evidence: Evidence) -> Scores:
        """From activations and labels."""
        return _by_class(evidence, lambda between, within, _: between / np.maximum(within, SMALLEST))


@SCORES.register(
    "icc", paper="Shrout, Fleiss: Intraclass Correlations: Uses in Assessing Rater Reliability, Psych. Bulletin 1979"
)
@dataclass(frozen=True, slots=True)
class IntraclassCorrelation:
    """ICC(1,1) of a filter's spatial mean, -1..1: how alike a filter's answers to inputs of one class are."""

    unit: ClassVar[Unit] = "filter"

    def __call__(self, evidence: Evidence) -> Scores:
        """From activations and labels."""
        return _by_class(
            evidence,
            lambda between, within, size: (between - within) / np.maximum(between + (size - 1) * within, SMALLEST),
        )


Ratio = Callable[["NDArray[np.float64]", "NDArray[np.float64]", float], "NDArray[np.float64]"]


def _by_class(evidence: Evidence, ratio: Ratio) -> Scores:
    labels = evidence.trainer.labels(evidence.samples)
    return {name: ratio(*mean_squares(maps.mean(axis=2), labels)) for name, maps in feature_maps(evidence).items()}
