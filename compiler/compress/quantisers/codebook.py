"""Shared weights: few values, and for each weight the number of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.quantisers.base import QUANTISERS, Codes, Format
from compiler.compress.quantisers.grid import SMALLEST_SCALE, Encoded, check_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Codebook", "SharedWeights", "cluster"]

PRUNED = -1


@QUANTISERS.register(
    "codebook",
    paper="Han, Mao, Dally: Deep Compression: Compressing Deep Neural Networks with Pruning, Trained "
    "Quantization and Huffman Coding, ICLR 2016",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Codebook:
    """k-means over a layer's non-zero weights into ``2^bits - 1`` values, started at equal distances; zero is one more.

    The values are bytes with one scale, as the accelerator's table holds them.
    """

    has_zero: ClassVar[bool] = True
    bits: int = 4

    def __post_init__(self) -> None:
        check_bits("codebook", self.bits, 1, 8)

    def fit(self, w: NDArray[np.floating], axis: int) -> SharedWeights:
        """Which weights share a value; that stays as it is while the values are trained."""
        return SharedWeights(self.bits, cluster(w, 2**self.bits - 1), axis)


@dataclass(frozen=True, slots=True, eq=False)
class SharedWeights(Encoded):
    """``group`` has each weight's cluster, -1 for a pruned one. The value of a cluster is the mean of its weights.

    Under straight-through gradients each mean moves with the mean of its weights' gradients: the paper's training of
    centroids, at a rate divided by the size of the cluster.
    """

    bits: int
    group: NDArray[np.int64]
    axis: int

    @property
    def format(self) -> Format:
        """``bits`` bits of index."""
        return Format("codebook", self.bits, "codebook")

    def centroids(self, w: NDArray[np.floating]) -> NDArray[np.float64]:
        """The mean of each cluster."""
        inside = self.group >= 0
        count = int(self.group.max(initial=PRUNED)) + 1
        total = np.bincount(self.group[inside], w[inside].astype(np.float64), minlength=count)
        return total / np.maximum(np.bincount(self.group[inside], minlength=count), 1)

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """Each weight's cluster's mean, rounded to a byte."""
        table = self.centroids(w)
        peak = np.abs(table).max(initial=0)
        scale = np.array([max(peak / 127, SMALLEST_SCALE) if peak > 0 else 1.0], np.float32)
        bytes_ = np.append(np.clip(np.rint(table / scale[0]), -127, 127), 0)  # -1 is the last: pruned
        return Codes(self.format, bytes_[self.group].astype(np.int8), scale, np.zeros(1, np.int64), self.axis)


def cluster(w: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """The cluster of each non-zero weight, -1 of each zero, by k-means from ``count`` equally spaced starts."""
    # late: a second to import
    from sklearn.cluster import KMeans

    flat = w.reshape(-1).astype(np.float64)
    kept = flat != 0
    group = np.full(flat.shape, PRUNED, np.int64)
    different = np.unique(flat[kept])
    if different.size <= count:
        group[kept] = np.searchsorted(different, flat[kept])
        return group.reshape(w.shape)
    start = np.linspace(different[0], different[-1], count)[:, None]
    group[kept] = KMeans(count, init=start, max_iter=300).fit_predict(flat[kept][:, None])
    return group.reshape(w.shape)
