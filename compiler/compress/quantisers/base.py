"""What a format of weights is: integers, their scale, and the processing element that multiplies by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from compiler.compress.registry import Registry
from compiler.ir.formats import Arithmetic, Format

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["QUANTISERS", "Arithmetic", "Codes", "Format", "QuantiserMethod", "WeightQuantiser"]


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """Weights on a grid: ``real = scale * (values - zero_point)``, scale and zero point along ``axis`` or of size 1.

    ``values`` are int8, or int16 for dual-plane weights. A codebook is the set of values that occur.
    """

    format: Format
    values: NDArray[np.signedinteger]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int

    @property
    def real(self) -> NDArray[np.float32]:
        """The floats that they stand for, as ONNX ``DequantizeLinear`` computes them."""
        centred = self.values.astype(np.int32) - self.along(self.zero_point).astype(np.int32)
        return centred.astype(np.float32) * self.along(self.scale)

    def along(self, parameter: NDArray) -> NDArray:
        """A scale or zero point, shaped to broadcast with ``values``."""
        if parameter.size == 1:
            return parameter.reshape(())
        shape = [1] * self.values.ndim
        shape[self.axis] = -1
        return parameter.reshape(shape)


class WeightQuantiser(Protocol):
    """Puts the weights of one layer on a format's grid. Zero stays zero, except where the format has none."""

    @property
    def format(self) -> Format:
        """What the result is stored as."""
        ...

    def encode(self, w: NDArray[np.floating]) -> Codes:
        """The nearest codes to ``w``, in its shape."""
        ...

    def quantise(self, w: NDArray[np.floating]) -> NDArray[np.float32]:
        """``encode(w).real``: fake-quantised weights, for training with straight-through gradients."""
        ...


class QuantiserMethod(Protocol):
    """A registered method: its settings are its constructor's keywords, all with defaults."""

    has_zero: ClassVar[bool]
    """Whether zero is one of its levels, so that pruned weights stay pruned."""

    def fit(self, w: NDArray[np.floating], axis: int) -> WeightQuantiser:
        """The quantiser for weights such as ``w``, whose filters lie along ``axis``."""
        ...


QUANTISERS: Registry[type[QuantiserMethod]] = Registry("quantiser")
