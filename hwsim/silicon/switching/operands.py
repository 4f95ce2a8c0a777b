"""Operands of real layers, as the array gets them: windows of activations, and the weights they meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from compiler.interpreter import interpret
from compiler.ir import Conv
from hwsim.network import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["LayerOperands", "Tile", "layer_operands", "tiles", "with_zeros"]

NETWORK = "digits-cnn"
"""Trained, and its images are real: its data comes with the project."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerOperands:
    """The two matrices that a layer multiplies."""

    layer: str
    activations: NDArray[np.int8]
    """``[pixels, window]``, padding as the zero point."""
    weights: NDArray[np.int8]
    """``[window, filters]``."""
    zero_point: int
    """Byte of an activation of zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """What streams past one column of the array between two changes of its weights."""

    activations: NDArray[np.int8]
    """``[vectors, rows]``."""
    weights: NDArray[np.int8]
    """``[rows]``."""

    def symmetric(self) -> Tile:
        """The same activations as a network with a zero point of zero would have them: 0..127."""
        return Tile(((self.activations.astype(np.int16) + 128) // 2).astype(np.int8), self.weights)


def layer_operands(image: int = 5) -> Iterator[LayerOperands]:
    """Operands of the network's dense layers for one calibration image, by the reference interpreter."""
    network = load_network(NETWORK)
    graph = network.graph
    if network.workload.calibration is None:
        raise ValueError(f"{NETWORK} has no images")
    port = graph.input_ports[0]
    values = interpret(graph, {port.name: np.reshape(network.workload.calibration()[image], port.shape)})
    for operator in graph.select(Conv):
        if operator.groups == 1:
            yield _operands(operator, values[operator.inputs[0]])


def _operands(conv: Conv, x: NDArray[np.int8]) -> LayerOperands:
    top, left, bottom, right = conv.pads
    padded = np.pad(x, ((top, bottom), (left, right), (0, 0)), constant_values=conv.input_zero_point)
    kernel_h, kernel_w, channels, filters = conv.weights.shape
    windows = sliding_window_view(padded, (kernel_h, kernel_w), axis=(0, 1))[:: conv.strides[0], :: conv.strides[1]]
    # [y, x, channel, i, j] to the order of the weights.
    matrix = windows.transpose(0, 1, 3, 4, 2).reshape(-1, kernel_h * kernel_w * channels)
    weights = conv.weights.reshape(-1, filters).astype(np.int8)
    return LayerOperands(conv.name, np.ascontiguousarray(matrix), weights, conv.input_zero_point)


def tiles(layers: list[LayerOperands], rows: int, *, vectors: int, count: int, seed: int = 0) -> list[Tile]:
    """``count`` tiles of ``rows`` rows and ``vectors`` vectors, layers in turn, places in them by ``seed``."""
    rng = np.random.default_rng(seed)
    fitting = [layer for layer in layers if layer.weights.shape[0] >= rows and layer.activations.shape[0] >= vectors]
    if not fitting:
        raise ValueError(f"no layer has {rows} rows and {vectors} pixels")
    found = []
    for k in range(count):
        layer = fitting[k % len(fitting)]
        first = rng.integers(0, layer.weights.shape[0] // rows) * rows
        pixel = rng.integers(0, layer.activations.shape[0] - vectors + 1)
        filter_ = rng.integers(0, layer.weights.shape[1])
        found.append(
            Tile(
                layer.activations[pixel : pixel + vectors, first : first + rows],
                layer.weights[first : first + rows, filter_],
            )
        )
    return found


def with_zeros(
    tiles_: list[Tile], *, activations: float | None = None, weights: float | None = None, seed: int = 0
) -> list[Tile]:
    """The same tiles with this share of operands zero, 0..1; None: as they are.

    Zeros there are become small numbers where there are more of them than asked for.
    """
    rng = np.random.default_rng(seed)

    def zeroed(array: NDArray[np.int8], share: float | None) -> NDArray[np.int8]:
        if share is None:
            return array
        filled = np.where(array == 0, rng.integers(1, 32, array.shape), array)
        return np.where(rng.random(array.shape) < share, 0, filled).astype(np.int8)

    return [Tile(zeroed(t.activations, activations), zeroed(t.weights, weights)) for t in tiles_]
