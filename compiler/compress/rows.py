"""What a layer reads and makes, as rows of a matrix product: a convolution's windows, a vector's elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.evaluate import window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.layers import Layer
    from compiler.ir import Graph

__all__ = ["layer_inputs", "output_rows", "weight_matrix", "weights_of_matrix"]


def layer_inputs(graph: Graph, layer: Layer, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """What a layer's filters are multiplied by: ``[groups, n * positions, columns]`` of its input ``x [n, ...]``.

    Columns are in the order of a filter in kernel form: channel of the group, row, column.
    """
    node, groups = layer.node, layer.groups
    channels, height, width = layer.value(graph).shape[1:]
    if node.op_type == "FullyConnected":
        return x.reshape(1, -1, channels)
    if x.ndim == 3:
        x = x[:, :, None, :]
    (row_step, column_step), (row_gap, column_gap), (top, left, bottom, right) = window(
        node, node.integers("kernel_shape", (height, width))
    )
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    reach = ((height - 1) * row_gap + 1, (width - 1) * column_gap + 1)
    views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    views = views[:, :, ::row_step, ::column_step, ::row_gap, ::column_gap]
    n, _, rows, columns = views.shape[:4]
    split = views.reshape(n, groups, channels, rows, columns, height, width)
    return split.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, n * rows * columns, channels * height * width)


def output_rows(layer: Layer, y: NDArray[np.floating]) -> NDArray[np.floating]:
    """``[rows, f]`` of a layer's output, in the order of :func:`layer_inputs`."""
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
