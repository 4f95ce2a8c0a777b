"""All of the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.compress.calibrations.base import CALIBRATIONS
from compiler.quantize.calibrate import Range

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Maximum"]


@CALIBRATIONS.register(
    "max",
    paper="Jacob et al.: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only "
    "Inference, CVPR 2018",
)
@dataclass(frozen=True, slots=True)
class Maximum:
    """From the lowest to the highest."""

    def limits(self, values: NDArray[np.floating], bits: int) -> Range:
        """Whatever the ``bits``."""
        del bits
        return Range(min(float(values.min(initial=0)), 0.0), max(float(values.max(initial=0)), 0.0))
