"""AlexNet's convolutions at the densities of Deep Compression: which weights and activations are left, by a seed.

Shapes are those of Krizhevsky et al. 2012 as Caffe has them. A layer's inputs are as dense as Han et al. 2015 found the
outputs of the layer before (before pooling, which only makes them denser); the first one's is the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workloads.reference.compression import DEEP_COMPRESSION_LAYERS, HAN2015_LAYERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LAYERS", "PrunedConv", "active_windows", "kept_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedConv:
    """A convolution of a square image, its densities 0..1."""

    name: str
    filters: int
    channels: int
    """Of the whole input."""
    kernel: int
    size: int
    """Of the input, and of the output: ``(size + 2 * pad - kernel) // stride + 1``."""
    stride: int = 1
    pad: int = 0
    groups: int = 1
    weights: float
    activations: float

    @property
    def out_size(self) -> int:
        """Side of the output."""
        return (self.size + 2 * self.pad - self.kernel) // self.stride + 1

    @property
    def window(self) -> int:
        """Elements of an im2col column: those of all groups."""
        return self.kernel * self.kernel * self.channels

    @property
    def macs(self) -> int:
        """Of the dense layer."""
        return self.out_size**2 * self.filters * self.window // self.groups


def _layers() -> tuple[PrunedConv, ...]:
    kept = {r.layer: r.weights_kept_pct / 100 for r in DEEP_COMPRESSION_LAYERS.rows() if r.network == "AlexNet"}
    outputs = {r.layer: r.output_act_pct / 100 for r in HAN2015_LAYERS.rows() if r.network == "AlexNet"}
    shapes = (
        ("conv1", 96, 3, 11, 227, 4, 0, 1, 1.0),
        ("conv2", 256, 96, 5, 27, 1, 2, 2, outputs["conv1"]),
        ("conv3", 384, 256, 3, 13, 1, 1, 1, outputs["conv2"]),
        ("conv4", 384, 384, 3, 13, 1, 1, 2, outputs["conv3"]),
        ("conv5", 256, 384, 3, 13, 1, 1, 2, outputs["conv4"]),
    )
    return tuple(
        PrunedConv(
            name=name, filters=filters, channels=channels, kernel=kernel, size=size, stride=stride, pad=pad,
            groups=groups, weights=kept[name], activations=active,
        )
        for name, filters, channels, kernel, size, stride, pad, groups, active in shapes
    )  # fmt: skip


LAYERS = _layers()


def kept_weights(layer: PrunedConv, seed: int = 0) -> NDArray[np.bool_]:
    """``[filters, window]``, channels fastest; blocks on the diagonal where the layer has groups."""
    rng = np.random.default_rng((seed, layer.filters, layer.window))
    kept = rng.random((layer.filters, layer.kernel**2, layer.channels), np.float32) < layer.weights
    group_of = np.arange(layer.filters) * layer.groups // layer.filters
    source = np.arange(layer.channels) * layer.groups // layer.channels
    return (kept & (group_of[:, None] == source)[:, None, :]).reshape(layer.filters, layer.window)


def active_windows(layer: PrunedConv, seed: int = 0) -> NDArray[np.bool_]:
    """``[pixels, window]``: im2col of an image of independent activations, zeros around it."""
    rng = np.random.default_rng((seed, layer.size, layer.channels))
    image = rng.random((layer.size, layer.size, layer.channels), np.float32) < layer.activations
    padded = np.pad(image, ((layer.pad, layer.pad), (layer.pad, layer.pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (layer.kernel, layer.kernel), axis=(0, 1))
    windows = windows[:: layer.stride, :: layer.stride].transpose(0, 1, 3, 4, 2)
    return windows.reshape(layer.out_size**2, layer.window)
