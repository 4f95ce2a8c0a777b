"""Weight sharing for the engine's own tables: a layer's weights as codes of a few 16-bit integers and one scale.

k-means, started at equal distances between the least and the greatest weight, which Deep Compression found best (Han et
al. 2016, section 3.2). Code 0 is the weight zero. The engine multiplies by the integers, so that what the scale stands
for never enters a sum: ``real = scale * values[codes]``.

:class:`compiler.compress.quantisers.codebook.Codebook` shares weights within int8, for networks that stay ONNX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.quantisers.codebook import cluster
from compiler.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtl.config import SparseConfig

__all__ = ["Shared", "share"]

_FULL_SCALE = (1 << 15) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Weights by code."""

    codes: NDArray[np.uint8]
    """In the weights' shape; 0 is zero."""
    values: NDArray[np.int16]
    """``[codes]``; the first is 0."""
    scale: float

    @property
    def integers(self) -> NDArray[np.int16]:
        """What the engine multiplies by, in the weights' shape."""
        return self.values[self.codes]

    @property
    def real(self) -> NDArray[np.float64]:
        """What that stands for."""
        return self.scale * self.integers.astype(np.float64)


def share(weights: NDArray[np.floating], sparse: SparseConfig) -> Shared:
    """``weights`` by at most ``2**code_bits - 1`` values beside zero; where there are no more, each keeps its own.

    Raises:
        ModelError: weights that are not finite, or an engine whose entries hold weights and not codes.

    """
    if sparse.weights != "codebook":
        raise ModelError(f"sparse.weights={sparse.weights} has no codebook to share weights by (set it to codebook)")
    if not np.isfinite(weights).all():
        raise ModelError("weights to be shared are not finite")
    codes = (cluster(weights, (1 << sparse.code_bits) - 1) + 1).astype(np.uint8)
    kept = codes.reshape(-1) > 0
    groups = codes.reshape(-1)[kept]
    totals = np.bincount(groups, weights.reshape(-1)[kept].astype(np.float64), minlength=1)
    centroids = totals / np.maximum(np.bincount(groups, minlength=1), 1)
    peak = float(np.abs(centroids).max(initial=0))
    scale = peak / _FULL_SCALE if peak else 1.0
    return Shared(codes, np.rint(centroids / scale).astype(np.int16), scale)
