"""Plus, minus and nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.quantisers.base import QUANTISERS, Codes, Format
from compiler.compress.quantisers.grid import SMALLEST_SCALE, Encoded, Per, as_rows, broadcast

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TernaryGrid", "TernaryWeights"]


@QUANTISERS.register("ternary", paper="Li, Zhang, Liu: Ternary Weight Networks, arXiv:1605.04711, 2016")
@dataclass(frozen=True, slots=True, kw_only=True)
class TernaryWeights:
    """``{-a, 0, a}``: zero up to ``0.7 mean|w|``, ``a`` the mean of ``|w|`` above it."""

    has_zero: ClassVar[bool] = True
    per: Per = "channel"
    threshold: float = 0.7

    def fit(self, w: NDArray[np.floating], axis: int) -> TernaryGrid:
        """Threshold and scale follow the weights, so there is nothing to fit."""
        del w
        return TernaryGrid(self.per, self.threshold, axis)


@dataclass(frozen=True, slots=True, eq=False)
class TernaryGrid(Encoded):
    """Signs of what is large enough, and a scale that follows the weights."""

    per: Per
    threshold: float
    axis: int

    @property
    def format(self) -> Format:
        """Two bits, one of whose four codes is not used."""
        return Format("ternary", 2, "ternary")

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """The sign, or zero."""
        rows = np.abs(as_rows(w, self.axis, self.per))
        limit = self.threshold * rows.mean(axis=1, keepdims=True)
        large = rows > limit
        mean = (rows * large).sum(axis=1) / np.maximum(large.sum(axis=1), 1)
        scale = np.maximum(mean, SMALLEST_SCALE).astype(np.float32)
        values = np.where(np.abs(w) > broadcast(limit[:, 0], w.ndim, self.axis), np.sign(w), 0).astype(np.int8)
        return Codes(self.format, values, scale, np.zeros(scale.shape, np.int64), self.axis)
