"""One bit: the sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.quantisers.base import QUANTISERS, Codes, Format
from compiler.compress.quantisers.grid import SMALLEST_SCALE, Encoded, Per, as_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BinaryGrid", "BinaryWeights"]


QUANTISERS.refuse(
    "xnor",
    "its activations are signs too, which a network has to be built and trained for (batch norm before each sign, no "
    "ReLU); 'binary' is its weights, and a network trained so loads as QONNX (BipolarQuant)",
)


@QUANTISERS.register(
    "binary",
    paper="Rastegari, Ordonez, Redmon, Farhadi: XNOR-Net: ImageNet Classification Using Binary Convolutional Neural "
    "Networks, ECCV 2016 (Binary-Weight-Network)",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryWeights:
    """``+-a`` with ``a = mean|w|`` of each filter, which is nearest to it in the least-squares sense. No zero.

    These are the weights of the paper's BWN and of its XNOR-Net alike; the latter's binarised activations are
    not added to a network that was made without them.
    """

    has_zero: ClassVar[bool] = False
    per: Per = "channel"

    def fit(self, w: NDArray[np.floating], axis: int) -> BinaryGrid:
        """The scale follows the weights, so there is nothing to fit."""
        del w
        return BinaryGrid(self.per, axis)


@dataclass(frozen=True, slots=True, eq=False)
class BinaryGrid(Encoded):
    """Signs, and a scale that follows the weights."""

    per: Per
    axis: int

    @property
    def format(self) -> Format:
        """One bit."""
        return Format("binary", 1, "binary")

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """+1 from zero on, else -1."""
        scale = np.maximum(np.abs(as_rows(w, self.axis, self.per)).mean(axis=1), SMALLEST_SCALE).astype(np.float32)
        values = np.where(w >= 0, 1, -1).astype(np.int8)
        return Codes(self.format, values, scale, np.zeros(scale.shape, np.int64), self.axis)
