"""Two bytes, of which the upper is nearly always zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.quantisers.base import QUANTISERS, Codes, Format
from compiler.compress.quantisers.grid import SMALLEST_SCALE, Encoded
from compiler.errors import ModelError
from compiler.ir.integer import WIDEST_TWO_PLANES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DualPlane", "DualPlaneGrid"]


@QUANTISERS.register(
    "dual-plane",
    paper="Park, Kim, Yoo: Energy-efficient Neural Network Accelerator Based on Outlier-aware Low-precision "
    "Computation, ISCA 2018",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class DualPlane:
    """``W = W_L + 256 W_H`` of signed bytes: a step so fine that a share ``wide`` of the weights needs the upper byte.

    The low bytes run dense, the high bytes sparse.
    """

    has_zero: ClassVar[bool] = True
    wide: float = 0.03

    def __post_init__(self) -> None:
        if not 0 <= self.wide <= 0.5:
            raise ModelError(f"quantiser 'dual-plane': wide is a share of 0 to 0.5, not {self.wide}")

    def fit(self, w: NDArray[np.floating], axis: int) -> DualPlaneGrid:
        """The step for these weights, one for the tensor."""
        sizes = np.sort(np.abs(w.astype(np.float64)).reshape(-1))
        peak = float(sizes[-1]) if sizes.size else 0.0
        narrow = float(sizes[len(sizes) - 1 - int(self.wide * len(sizes))]) if sizes.size else 0.0
        # whatever rounds to 127 or less needs no upper byte; the largest must still fit both
        step = max(narrow / 127, peak / WIDEST_TWO_PLANES, SMALLEST_SCALE) if peak > 0 else 1.0
        return DualPlaneGrid(np.array([step], np.float32), axis)


@dataclass(frozen=True, slots=True, eq=False)
class DualPlaneGrid(Encoded):
    """A fixed step."""

    scale: NDArray[np.float32]
    axis: int

    @property
    def format(self) -> Format:
        """Sixteen bits."""
        return Format("dual-plane", 16, "dual")

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """Divide, round, saturate at what two planes hold."""
        q = np.clip(np.rint(w.astype(np.float64) / self.scale), -WIDEST_TWO_PLANES, WIDEST_TWO_PLANES)
        return Codes(self.format, q.astype(np.int16), self.scale, np.zeros(1, np.int64), self.axis)
