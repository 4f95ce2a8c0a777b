"""Arithmetic on arrays that repeat themselves, done once for what differs.

The weights of a made-up network (``ConstantOfShape``) are one number under a shape of millions; numpy holds them so, as
views whose repeating axes have stride 0. They stay views through folding, quantisation and lowering.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["distinct", "elementwise"]


def distinct(array: NDArray) -> NDArray:
    """``array`` with every axis along which it repeats cut to length 1; ``np.broadcast_to`` brings the rest back."""
    return array[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)]


def elementwise(function: Callable[..., NDArray], *arrays: NDArray) -> NDArray:
    """``function(*arrays)`` of a function that works on each element by itself; a view where all of them repeat."""
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    return np.broadcast_to(function(*(distinct(array) for array in arrays)), shape)
