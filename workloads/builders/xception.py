"""Xception for ImageNet (Chollet, arXiv:1610.02357, figure 5): ``[1, 3, 299, 299]`` to ``[1, 1000]``."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from workloads.builders.network import Network, Weights

if TYPE_CHECKING:
    import onnx

__all__ = ["xception"]


def xception(size: int = 299, weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """36 convolutions, 34 of them depthwise-separable, in 14 blocks, 12 with a shortcut. 8.4 G multiply-accumulates."""
    net = Network("xception", weights)
    x = net.conv(net.input("input", (1, 3, size, size)), "block1_conv1", 3, 32, kernel=3, stride=2, pad=0)
    x = net.relu(x, "block1_conv1_relu")
    x = net.relu(net.conv(x, "block1_conv2", 32, 64, kernel=3, pad=0), "block1_conv2_relu")
    x = _reducing(net, x, "block2", (64, 128, 128), first_relu=False)
    x = _reducing(net, x, "block3", (128, 256, 256))
    x = _reducing(net, x, "block4", (256, 728, 728))
    for block in range(5, 13):
        name, y = f"block{block}", x
        for index in range(1, 4):
            y = _separable(net, net.relu(y, f"{name}_relu{index}"), f"{name}_sepconv{index}", 728, 728)
        x = net.node("Add", [y, x], f"{name}_add")
    x = _reducing(net, x, "block13", (728, 728, 1024))
    x = net.relu(_separable(net, x, "block14_sepconv1", 1024, 1536), "block14_relu1")
    x = net.relu(_separable(net, x, "block14_sepconv2", 1536, 2048), "block14_relu2")
    return net.classifier(x, 2048, 1000)


def _separable(net: Network, x: str, name: str, channels: int, filters: int) -> str:
    """Depthwise, then pointwise, with nothing between them."""
    y = net.conv(x, f"{name}_depthwise", channels, channels, kernel=3, groups=channels, bias=False)
    return net.conv(y, f"{name}_pointwise", channels, filters, kernel=1)


def _reducing(net: Network, x: str, name: str, widths: tuple[int, int, int], *, first_relu: bool = True) -> str:
    """Two separable convolutions and a pooling that halves the image, beside a strided 1 x 1 shortcut."""
    y = x
    for index, (channels, filters) in enumerate(pairwise(widths), 1):
        if index > 1 or first_relu:
            y = net.relu(y, f"{name}_relu{index}")
        y = _separable(net, y, f"{name}_sepconv{index}", channels, filters)
    y = net.max_pool(y, f"{name}_pool", kernel=3, stride=2, pad=1)
    shortcut = net.conv(x, f"{name}_shortcut", widths[0], widths[-1], kernel=1, stride=2)
    return net.node("Add", [y, shortcut], f"{name}_add")
