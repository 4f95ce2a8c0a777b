"""Powers of two: a multiplication is a shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.quantisers.base import QUANTISERS, Codes, Format
from compiler.compress.quantisers.grid import Encoded, Per, as_rows, broadcast, check_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PowerOfTwo", "ShiftGrid"]


@QUANTISERS.register(
    "power-of-two",
    paper="Zhou, Yao, Guo, Xu, Chen: Incremental Network Quantization: Towards Lossless CNNs with Low-precision "
    "Weights, ICLR 2017",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOfTwo:
    """Zero and ``+-2^e``, 2 to 4 bits: ``2^(bits - 1) - 1`` exponents, the highest ``floor(log2(4/3 max|w|))``.

    Weights go to the nearest level.
    """

    has_zero: ClassVar[bool] = True
    bits: int = 4
    per: Per = "tensor"

    def __post_init__(self) -> None:
        check_bits("power-of-two", self.bits, 2, 4)

    def fit(self, w: NDArray[np.floating], axis: int) -> ShiftGrid:
        """The exponents for these weights."""
        peak = np.abs(as_rows(w, axis, self.per)).max(axis=1, initial=0)
        count = 2 ** (self.bits - 1) - 1
        highest = np.floor(np.log2(np.where(peak > 0, peak, 0.75) * 4 / 3))
        return ShiftGrid(
            Format("power-of-two", self.bits, "shift"), np.exp2(highest - count + 1).astype(np.float32), axis
        )


@dataclass(frozen=True, slots=True, eq=False)
class ShiftGrid(Encoded):
    """``scale`` is the lowest power of two, of the tensor or of each channel."""

    format: Format
    scale: NDArray[np.float32]
    axis: int

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """The nearest of zero and the powers of two; half way, the larger."""
        highest = 2 ** (self.format.bits - 1) - 2
        units = np.abs(w.astype(np.float64)) / broadcast(self.scale, w.ndim, self.axis)
        # 2^e is nearest from 3/4 of it on: half way to the one below
        exponent = np.clip(np.floor(np.log2(np.maximum(units, 1e-300) * 4 / 3)), 0, highest)
        values = np.where(units < 0.5, 0, np.sign(w) * np.exp2(exponent)).astype(np.int8)
        return Codes(self.format, values, self.scale, np.zeros(self.scale.shape, np.int64), self.axis)
