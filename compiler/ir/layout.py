"""Where each element of an ONNX tensor lies in the accelerator's ``[height, width, channels]`` tensor.

Transposes, flattens, reshapes and squeezes move no data: they only change this map. An operator that reads a tensor
either finds it in its own natural order, or (a fully connected layer) permutes its weights to the order it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Layout", "forget_layouts", "hwc_shape"]


def hwc_shape(shape: Sequence[int], *, channels_last: bool = False) -> tuple[int, int, int]:
    """The ``(height, width, channels)`` of an ONNX activation ``[1, C, H, W]``, ``[1, C, W]`` or ``[1, C]``.

    With ``channels_last``, of ``[..., rows, features]``: all but the last axis lie along the width.
    """
    if len(shape) == 0:
        return 1, 1, 1
    if channels_last:
        return 1, int(np.prod(shape[:-1], dtype=np.int64)), shape[-1]
    if len(shape) == 1:
        return 1, 1, shape[0]
    batch, channels, *spatial = shape
    if batch != 1 or len(spatial) > 2:
        raise ValueError(f"a tensor {list(shape)} is not one image")
    height, width = [1, 1, *spatial][-2:]
    return height, width, channels


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """``onnx.flat[i] == hwc.flat[index.flat[i]]``, with ``index`` in the ONNX tensor's ``shape``.

    No two elements lie in one place. A slice leaves places that no element of it has.
    """

    index: NDArray[np.int32]
    """Not to be written to: layouts are shared."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the ONNX tensor."""
        return self.index.shape

    @staticmethod
    def natural(shape: Sequence[int], *, channels_last: bool = False) -> Layout:
        """The order in which a convolution (or, channels last, a matrix product) reads ``shape``."""
        return _natural(tuple(shape), channels_last=channels_last)

    @staticmethod
    def flat(shape: Sequence[int]) -> Layout:
        """The elements in their own order."""
        return _flat(tuple(shape))

    def through(self, view: Layout) -> Layout:
        """The map of a tensor that ``view`` makes of the ONNX tensor whose map this is."""
        if view.index is _flat(view.shape).index:
            return self if view.shape == self.shape else self.reshape(view.shape)
        return Layout(self.index.reshape(-1)[view.index])

    def transpose(self, axes: Sequence[int] | None = None) -> Layout:
        """The map after an ONNX ``Transpose``."""
        return Layout(np.ascontiguousarray(self.index.transpose(axes)))

    def reshape(self, shape: Sequence[int]) -> Layout:
        """The map after an ONNX ``Reshape``, ``Flatten``, ``Squeeze`` or ``Unsqueeze``."""
        return Layout(self.index.reshape(tuple(shape)))

    def same(self, other: Layout) -> bool:
        """Whether both put every element in the same place."""
        if self.index is other.index:
            return True
        return self.shape == other.shape and np.array_equal(self.index, other.index)

    def gather(self, value: NDArray) -> NDArray:
        """The ONNX tensor of the HWC ``value``."""
        return value.reshape(-1)[self.index]

    def scatter(self, array: NDArray, shape: Sequence[int]) -> NDArray:
        """The HWC tensor of ``shape`` of the ONNX tensor ``array``."""
        value = np.empty(self.index.size, array.dtype)
        value[self.index.reshape(-1)] = array.reshape(-1)
        return value.reshape(tuple(shape))


# A network has few shapes and many tensors: comparing layouts is mostly comparing identities.
@lru_cache(maxsize=32)
def _natural(shape: tuple[int, ...], *, channels_last: bool) -> Layout:
    height, width, channels = hwc_shape(shape, channels_last=channels_last)
    index = np.arange(height * width * channels, dtype=np.int32)
    if not channels_last:
        index = index.reshape(height, width, channels).transpose(2, 0, 1)
    return _shared(index.reshape(shape))


@lru_cache(maxsize=32)
def _flat(shape: tuple[int, ...]) -> Layout:
    return _shared(np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int32).reshape(shape))


def _shared(index: NDArray[np.int32]) -> Layout:
    index.flags.writeable = False
    return Layout(index)


def forget_layouts() -> None:
    """Give back the memory of the layouts that were made."""
    _natural.cache_clear()
    _flat.cache_clear()
