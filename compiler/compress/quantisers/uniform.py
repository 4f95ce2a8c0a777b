"""Equally spaced levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from compiler.compress.calibrations import CALIBRATIONS, Calibration
from compiler.compress.quantisers.base import QUANTISERS, Codes, Format
from compiler.compress.quantisers.grid import SMALLEST_SCALE, Encoded, Per, as_rows, broadcast, check_bits
from compiler.quantize.calibrate import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Uniform", "UniformGrid"]


@QUANTISERS.register(
    "uniform",
    paper="Krishnamoorthi: Quantizing Deep Convolutional Networks for Efficient Inference: A Whitepaper, 2018",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform:
    """``2^bits`` levels, 2 to 8 bits; ``symmetric`` (one fewer, zero point 0) or ``asymmetric``; per channel or tensor.

    ``calibration`` says which range the levels cover: max, percentile, mse or kl.
    """

    has_zero: ClassVar[bool] = True
    bits: int = 8
    scheme: Literal["symmetric", "asymmetric"] = "symmetric"
    per: Per = "channel"
    calibration: str = "max"

    def __post_init__(self) -> None:
        check_bits("uniform", self.bits, 2, 8)
        CALIBRATIONS.entry(self.calibration)

    def fit(self, w: NDArray[np.floating], axis: int) -> UniformGrid:
        """The grid for these weights; it stays as it is while they are trained."""
        calibration: Calibration = CALIBRATIONS[self.calibration]()
        limits = [calibration.limits(row, self.bits) for row in as_rows(w, axis, self.per)]
        pairs = [self._levels(limit) for limit in limits]
        arithmetic = "int4" if self.bits <= 4 and self.scheme == "symmetric" else "int8"
        return UniformGrid(
            format=Format(f"uniform-{self.scheme}", self.bits, arithmetic),
            scale=np.array([scale for scale, _ in pairs], np.float32),
            zero_point=np.array([zero for _, zero in pairs], np.int64),
            symmetric=self.scheme == "symmetric",
            axis=axis,
        )

    def _levels(self, limits: Range) -> tuple[float, int]:
        if self.scheme == "symmetric":
            peak = max(-limits.low, limits.high)
            return (max(peak / (2 ** (self.bits - 1) - 1), SMALLEST_SCALE) if peak > 0 else 1.0), 0
        lowest = -(2 ** (self.bits - 1))
        scale = max((limits.high - limits.low) / (2**self.bits - 1), SMALLEST_SCALE)
        if limits.high == limits.low:
            return 1.0, 0
        return scale, int(np.clip(np.rint(lowest - limits.low / scale), lowest, -lowest - 1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UniformGrid(Encoded):
    """Fixed scales and zero points, one for all or one per channel along ``axis``."""

    format: Format
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    symmetric: bool
    axis: int = field(default=0)

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """Divide, round half to even, add the zero point, saturate."""
        high = 2 ** (self.format.bits - 1) - 1
        low = -high if self.symmetric else -high - 1
        scale = broadcast(self.scale, w.ndim, self.axis)
        q = np.rint(np.asarray(w, np.float32) / scale) + broadcast(self.zero_point, w.ndim, self.axis)
        return Codes(self.format, np.clip(q, low, high).astype(np.int8), self.scale, self.zero_point, self.axis)
