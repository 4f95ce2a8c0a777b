"""What an ONNX tensor has become while a model is lowered to integer operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.repeats import elementwise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir import Layout, Node

__all__ = ["Activation", "Constant", "HostFloat", "Pending", "Value", "Weights"]


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """A quantised tensor, seen through a layout. Its quantised and dequantised names are the same activation."""

    tensor: str
    layout: Layout


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Integers of constant scale: ``real = scale * (values - zero_point)``; both along ``axis``, or of size 1."""

    values: NDArray
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int

    @property
    def centred(self) -> NDArray[np.signedinteger]:
        """``values - zero_point``: int16 of 8-bit values, else int64."""
        wide = np.int16 if self.values.dtype.itemsize == 1 else np.int64
        if not self.zero_point.any():
            return elementwise(lambda values: values.astype(wide), self.values)
        zero_point = self._along(self.zero_point).astype(wide)
        return elementwise(lambda values, zero: values.astype(wide) - zero, self.values, zero_point)

    @property
    def real(self) -> NDArray[np.float32]:
        """The floats that they stand for."""
        return self.centred.astype(np.float32) * self._along(self.scale)

    def _along(self, parameter: NDArray) -> NDArray:
        if parameter.size == 1:
            return parameter.reshape(())
        shape = [1] * self.values.ndim
        shape[self.axis] = -1
        return parameter.reshape(shape)


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A float (or index) constant."""

    value: NDArray


@dataclass(frozen=True, slots=True, eq=False)
class HostFloat:
    """A float tensor between host operators, in its ONNX shape."""

    tensor: str


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """The float result of an operator, which becomes an integer operator when it is quantised and a host one if not.

    ``layout`` maps the tensor as it is now, after reshapes, to the operator's own result in ONNX order.
    """

    node: Node
    operands: tuple[Value | None, ...]
    layout: Layout
    result: int = 0


Value = Activation | Weights | Constant | HostFloat | Pending
