"""Tensors and the doors through which they enter and leave a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir.layout import Layout

__all__ = ["Port", "QuantParams", "Tensor"]


@dataclass(frozen=True, slots=True)
class QuantParams:
    """``real = scale * (q - zero_point)`` for int8 ``q``. ``scale`` is exactly a float32."""

    scale: float
    zero_point: int

    def quantize(self, real: NDArray[np.floating]) -> NDArray[np.int8]:
        """As ONNX ``QuantizeLinear``: divide in float32, round half to even, add the zero point, saturate."""
        q = np.rint(np.asarray(real, np.float32) / np.float32(self.scale)).astype(np.float64) + self.zero_point
        return np.clip(q, -128, 127).astype(np.int8)

    def dequantize(self, q: NDArray[np.int8]) -> NDArray[np.float32]:
        """As ONNX ``DequantizeLinear``."""
        return (q.astype(np.int32) - self.zero_point).astype(np.float32) * np.float32(self.scale)


@dataclass(frozen=True, slots=True)
class Tensor:
    """The type of a tensor: ``[1, channels, height, width]`` and the like before quantisation, HWC int8 after it.

    Float tensors of a quantised graph (between host operators) keep their ONNX shape and have no ``quant``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    quant: QuantParams | None = None

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64)) if self.shape else 1


@dataclass(frozen=True, slots=True, eq=False)
class Port:
    """How the user's array becomes a graph's tensor, or the reverse.

    ``name``, ``shape`` and ``dtype`` are the model file's own: a uint8 port shifts by 128, a float port (de)quantises
    with the tensor's scale. ``layout`` says which element of the tensor each element of the array is.
    """

    name: str
    tensor: str
    dtype: np.dtype
    layout: Layout

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in the model file, batch included."""
        return self.layout.shape

    def admit(self, array: NDArray, tensor: Tensor) -> NDArray:
        """The tensor that ``array``, in the model's layout and type (or in float), stands for."""
        array = np.asarray(array)
        if array.size != tensor.size:
            raise ValueError(f"input {self.name!r} takes {list(self.shape)}, not {list(array.shape)}")
        if tensor.quant is None:
            return array.reshape(tensor.shape).astype(tensor.dtype)
        if array.dtype == np.uint8 and self.dtype == np.uint8:
            array = (array.astype(np.int16) - 128).astype(np.int8)
        elif array.dtype != np.int8 or self.dtype == np.uint8:
            if array.dtype.kind != "f" and self.dtype.kind != "f":
                raise ValueError(f"input {self.name!r} takes {self.dtype} or float32, not {array.dtype}")
            array = tensor.quant.quantize(array)
        elif self.dtype.kind == "f":
            raise ValueError(f"input {self.name!r} takes {self.dtype}, not int8")
        return self.layout.scatter(array.reshape(self.shape), tensor.shape)

    def release(self, value: NDArray, tensor: Tensor) -> NDArray:
        """The array, in the model's layout and type, that the tensor's ``value`` stands for."""
        if tensor.quant is None:
            return value.reshape(self.shape).astype(self.dtype)
        array = self.layout.gather(value)
        if self.dtype == np.uint8:
            return (array.astype(np.int16) + 128).astype(np.uint8)
        return array if self.dtype == np.int8 else tensor.quant.dequantize(array).astype(self.dtype)
