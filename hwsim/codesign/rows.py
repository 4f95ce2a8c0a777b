"""What a layer reads and makes, as rows of a matrix product: a convolution's windows, a vector's elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from compiler.evaluate import window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.layers import Layer

__all__ = ["input_rows", "output_rows", "weight_matrix", "weights_of_matrix"]


def input_rows(layer: Layer, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """``[rows, d]`` of a layer's input for many samples; ``d`` runs over channel, then row and column of the kernel.

    Of an ungrouped convolution, a row is a window; of a fully connected layer, what lies along the last axis.
    """
    if layer.node.op_type == "FullyConnected":
        return x.reshape(-1, x.shape[-1])
    image = x if x.ndim == 4 else x[:, :, None]
    kernel = layer.node.integers("kernel_shape")
    strides, dilations, (top, left, bottom, right) = window(layer.node, kernel)
    height, width = kernel if len(kernel) == 2 else (1, kernel[0])
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)))
    reach = ((height - 1) * dilations[0] + 1, (width - 1) * dilations[1] + 1)
    windows = sliding_window_view(padded, reach, axis=(2, 3))
    taken = windows[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]
    # [n, channels, out_h, out_w, kernel_h, kernel_w], a row for each sample and place
    return taken.transpose(0, 2, 3, 1, 4, 5).reshape(-1, image.shape[1] * height * width)


def output_rows(layer: Layer, y: NDArray[np.floating]) -> NDArray[np.floating]:
    """``[rows, f]`` of a layer's output, in the order of :func:`input_rows`."""
    if layer.node.op_type == "FullyConnected":
        return y.reshape(-1, y.shape[-1])
    image = y if y.ndim == 4 else y[:, :, None]
    return image.transpose(0, 2, 3, 1).reshape(-1, image.shape[1])


def weight_matrix(kernels: NDArray) -> NDArray:
    """``[filters, channels, height, width]`` as ``[d, f]``."""
    return kernels.reshape(len(kernels), -1).T


def weights_of_matrix(layer: Layer, matrix: NDArray, like: NDArray) -> NDArray:
    """The inverse, in the shape and type that the constant ``like`` has."""
    kernels = layer.kernels(like)
    return layer.restore(matrix.T.reshape(kernels.shape)).astype(like.dtype)
