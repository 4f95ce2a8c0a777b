"""Most of the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.calibrations.base import CALIBRATIONS
from compiler.errors import ModelError
from compiler.quantize.calibrate import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Percentile"]


@CALIBRATIONS.register(
    "percentile",
    paper="McKinstry et al.: Discovering Low-Precision Networks Close to Full-Precision Networks for "
    "Efficient Embedded Inference, 2018",
)
@dataclass(frozen=True, slots=True)
class Percentile:
    """Without the most extreme ``100 - covered`` percent, half of them at each end."""

    covered: float = 99.9

    def __post_init__(self) -> None:
        if not 0 < self.covered <= 100:
            raise ModelError(f"calibration 'percentile': covered is above 0 and at most 100, not {self.covered}")

    def limits(self, values: NDArray[np.floating], bits: int) -> Range:
        """Whatever the ``bits``."""
        del bits
        if values.size == 0:
            return Range(0.0, 0.0)
        cut = (100 - self.covered) / 2
        low, high = np.percentile(values, [cut, 100 - cut])
        return Range(min(float(low), 0.0), max(float(high), 0.0))
