"""Zeros in the forward pass only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.quantisers.base import Codes, Format, WeightQuantiser

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MaskedForward"]


@dataclass(frozen=True, slots=True, eq=False)
class MaskedForward:
    """Weights times a mask, quantised by ``inner`` where there is one.

    Under straight-through gradients the masked weights go on learning, as dynamic network surgery wants it.
    """

    mask: NDArray[np.bool_]
    inner: WeightQuantiser | None = None

    @property
    def format(self) -> Format:
        """The inner one's; float without."""
        return Format("float", 32, "float") if self.inner is None else self.inner.format

    def quantise(self, w: NDArray[np.floating]) -> NDArray[np.float32]:
        """The masked weights."""
        kept = np.where(self.mask, w, np.zeros((), w.dtype))
        return kept.astype(np.float32) if self.inner is None else self.inner.quantise(kept)

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """The inner quantiser's codes.

        Raises:
            ValueError: there is none.

        """
        if self.inner is None:
            raise ValueError("floats have no codes")
        return self.inner.encode(np.where(self.mask, w, np.zeros((), w.dtype)))
