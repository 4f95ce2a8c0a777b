"""The range of least squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.calibrations.base import CALIBRATIONS
from compiler.compress.calibrations.maximum import Maximum
from compiler.quantize.calibrate import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MeanSquaredError"]


@CALIBRATIONS.register(
    "mse",
    paper="Banner, Nahshan, Soudry: Post Training 4-bit Quantization of Convolutional Networks for "
    "Rapid-deployment, NeurIPS 2019",
)
@dataclass(frozen=True, slots=True)
class MeanSquaredError:
    """Of ``steps`` fractions of the full range, the one that rounds and clips with the least squared error."""

    steps: int = 100

    def limits(self, values: NDArray[np.floating], bits: int) -> Range:
        """By trying them all."""
        full = Maximum().limits(values, bits)
        if full.high == full.low:
            return full
        fractions = np.arange(1, self.steps + 1) / self.steps
        candidates = [Range(full.low * f, full.high * f) for f in fractions]
        return min(candidates, key=lambda limits: _error(values, limits, bits))


def _error(values: NDArray[np.floating], limits: Range, bits: int) -> float:
    step = (limits.high - limits.low) / (2**bits - 1)
    rounded = np.clip(np.rint(values / step), np.rint(limits.low / step), np.rint(limits.high / step)) * step
    return float(np.square(values - rounded, dtype=np.float64).sum())
