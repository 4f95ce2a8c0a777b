"""From ranges and weights to scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.ir import QuantParams
from compiler.repeats import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.quantize.calibrate import Range

__all__ = ["IntegerWeights", "activation_params", "quantize_weights"]

SMALLEST_SCALE = 2.0**-30


@dataclass(frozen=True, slots=True, eq=False)
class IntegerWeights:
    """Weights that were put on a grid elsewhere: ``real = scale * (values - zero_point)``.

    ``values`` are int8 or int16, scale and zero point along ``axis`` or of size 1.
    """

    values: NDArray[np.signedinteger]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.integer]
    axis: int


def activation_params(values: Range) -> QuantParams:
    """Asymmetric int8 for ``values``: 255 steps from low to high, zero exactly representable."""
    low, high = min(values.low, 0.0), max(values.high, 0.0)
    scale = np.float32(max((high - low) / 255, SMALLEST_SCALE))
    zero_point = int(np.clip(np.rint(-128 - low / float(scale)), -128, 127))
    return QuantParams(float(scale), zero_point)


def quantize_weights(
    weights: NDArray[np.floating], axis: int, smallest: NDArray[np.floating] | float = SMALLEST_SCALE
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 (-127..127) along ``axis``, and the scale of each channel, never below ``smallest``."""
    others = tuple(a for a in range(weights.ndim) if a != axis)
    different = distinct(weights)
    peak = np.maximum(different.max(axis=others), -different.min(axis=others)).astype(np.float64)
    peak = np.broadcast_to(peak, weights.shape[axis])
    scale = np.maximum(np.where(peak > 0, peak / 127, 1.0), smallest).astype(np.float32)
    shape = [1] * weights.ndim
    shape[axis] = -1
    q = different / scale.reshape(shape)
    np.rint(q, out=q)
    np.clip(q, -127, 127, out=q)
    return np.broadcast_to(q.astype(np.int8), weights.shape), scale
