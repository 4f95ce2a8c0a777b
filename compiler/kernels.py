"""Convolution and pooling of one ``[height, width, channels]`` image in numpy, in the dtype of their operands.

In float64 they are exact for integers whose sums stay below ``2**53``, at the speed of the BLAS: the reference
interpreter uses them so. In float32 they are the float meaning of a network, used for calibration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from compiler.ir.shapes import conv_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["conv2d", "max_pool", "sum_pool"]

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


def _taps(x: NDArray, kernel: Pair, strides: Pair, pads: Pads, dilations: Pair, fill: float) -> Iterator[NDArray]:
    """For each position in the kernel, row by row, what it sees of each window: ``[out_h, out_w, channels]``."""
    top, left, bottom, right = pads
    height = conv_size(x.shape[0], kernel[0], strides[0], top, bottom, dilations[0])
    width = conv_size(x.shape[1], kernel[1], strides[1], left, right, dilations[1])
    if any(pads):
        x = np.pad(x, ((top, bottom), (left, right), (0, 0)), constant_values=fill)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            y, z = row * dilations[0], column * dilations[1]
            yield x[
                y : y + (height - 1) * strides[0] + 1 : strides[0], z : z + (width - 1) * strides[1] + 1 : strides[1]
            ]


def conv2d(
    x: NDArray,
    weights: NDArray,
    *,
    strides: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    dilations: Pair = (1, 1),
    groups: int = 1,
) -> NDArray:
    """``[out_h, out_w, filters]`` of ``x`` and ``weights [kernel_h, kernel_w, channels / groups, filters]``.

    Padding is zero; ``pads`` are top, left, bottom, right.
    """
    kernel_h, kernel_w, depth, filters = weights.shape
    if (kernel_h, kernel_w) == x.shape[:2] and groups == 1 and not any(pads) and dilations == (1, 1):
        return (x.reshape(1, -1) @ weights.reshape(-1, filters)).reshape(1, 1, filters)
    total: NDArray | None = None
    factors = weights.reshape(kernel_h * kernel_w, depth, filters)
    for tap, factor in zip(_taps(x, (kernel_h, kernel_w), strides, pads, dilations, 0), factors, strict=True):
        height, width, channels = tap.shape
        if groups == 1:
            part = tap.reshape(-1, channels) @ factor
        elif depth == 1 and filters == channels:
            part = tap * factor
        else:
            grouped = tap.reshape(-1, groups, depth).transpose(1, 0, 2)
            part = (grouped @ factor.reshape(depth, groups, -1).transpose(1, 0, 2)).transpose(1, 0, 2)
        part = part.reshape(height, width, filters)
        total = part if total is None else total + part
    assert total is not None, "a kernel has at least one position"
    return total


def max_pool(x: NDArray, kernel: Pair, strides: Pair, pads: Pads, dilations: Pair = (1, 1)) -> NDArray:
    """The maximum under each window; padding never wins."""
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return np.maximum.reduce(list(_taps(x, kernel, strides, pads, dilations, lowest)))


def sum_pool(x: NDArray, kernel: Pair, strides: Pair, pads: Pads = (0, 0, 0, 0)) -> NDArray:
    """The **sum** under each window, padded by zeros; the caller divides by the kernel's area."""
    total: NDArray | None = None
    for tap in _taps(x, kernel, strides, pads, (1, 1), 0):
        total = tap.copy() if total is None else total + tap
    assert total is not None, "a kernel has at least one position"
    return total
