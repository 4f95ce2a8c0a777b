"""k bits of a squashed weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.quantisers.base import QUANTISERS, Codes, Format
from compiler.compress.quantisers.grid import SMALLEST_SCALE, Encoded, check_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DoReFa", "DoReFaGrid"]


@QUANTISERS.register(
    "dorefa",
    paper="Zhou, Wu, Ni, Zhou, Wen, Zou: DoReFa-Net: Training Low Bitwidth Convolutional Neural Networks with Low "
    "Bitwidth Gradients, arXiv:1606.06160, 2016",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class DoReFa:
    """``2 quantize_k(tanh w / (2 max|tanh w|) + 1/2) - 1``, 2 to 7 bits: odd multiples of a step. No zero.

    The paper's weights fill -1..1 whatever the layer's were; here they are scaled to the least squared distance from
    them, so that the network works before it is trained too.
    """

    has_zero: ClassVar[bool] = False
    bits: int = 4

    def __post_init__(self) -> None:
        check_bits("dorefa", self.bits, 2, 7)

    def fit(self, w: NDArray[np.floating], axis: int) -> DoReFaGrid:
        """The scale follows the weights, so there is nothing to fit."""
        del w
        return DoReFaGrid(self.bits, axis)


@dataclass(frozen=True, slots=True, eq=False)
class DoReFaGrid(Encoded):
    """Odd integers, and a scale that follows the weights."""

    bits: int
    axis: int

    @property
    def format(self) -> Format:
        """``bits`` bits, on a byte's multiplier."""
        return Format("dorefa", self.bits, "int4" if self.bits < 4 else "int8")

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """By the paper's equation 9."""
        levels = 2**self.bits - 1
        squashed = np.tanh(w.astype(np.float64))
        peak = np.abs(squashed).max(initial=0)
        unit = squashed / (2 * peak) + 0.5 if peak > 0 else np.full(w.shape, 0.5)
        values = 2 * np.rint(unit * levels) - levels
        scale = (w * values).sum(dtype=np.float64) / np.square(values).sum()
        scales = np.array([max(scale, SMALLEST_SCALE)], np.float32)
        return Codes(self.format, values.astype(np.int8), scales, np.zeros(1, np.int64), self.axis)
