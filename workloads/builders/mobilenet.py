"""MobileNet v1 and v2, for ImageNet: ``input`` ``[1, 3, size, size]`` to ``probabilities`` ``[1, 1000]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.builders.network import Network, Weights

if TYPE_CHECKING:
    import onnx

__all__ = ["mobilenet_v1", "mobilenet_v2"]

# Howard et al., arXiv:1704.04861, table 1: filters and stride of each depthwise-separable block.
_V1_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)

# Sandler et al., arXiv:1801.04381, table 2: expansion, filters, repeats, stride of the first.
_V2_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _scaled(filters: int, width: float) -> int:
    """``filters * width`` to a multiple of 8, and not less than nine tenths of it: both papers' own code."""
    rounded = max(8, int(filters * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters * width else rounded


def mobilenet_v1(width: float = 1.0, size: int = 224, weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """Depthwise and pointwise convolutions, each with a ReLU6. 569 M multiply-accumulates at full width and size."""
    net = Network("mobilenet-v1", weights)
    channels = _scaled(32, width)
    x = net.conv(net.input("input", (1, 3, size, size)), "conv1", 3, channels, kernel=3, stride=2)
    x = net.relu6(x, "conv1_relu")
    for index, (filters, stride) in enumerate(_V1_BLOCKS, 1):
        depthwise, pointwise = f"depthwise{index}", f"pointwise{index}"
        x = net.conv(x, depthwise, channels, channels, kernel=3, stride=stride, groups=channels)
        x = net.relu6(x, f"{depthwise}_relu")
        x = net.relu6(net.conv(x, pointwise, channels, _scaled(filters, width), kernel=1), f"{pointwise}_relu")
        channels = _scaled(filters, width)
    return net.classifier(x, channels, 1000)


def mobilenet_v2(width: float = 1.0, size: int = 224, weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """Inverted residuals with linear bottlenecks. 300 M multiply-accumulates at full width and size."""
    net = Network("mobilenet-v2", weights)
    channels = _scaled(32, width)
    x = net.conv(net.input("input", (1, 3, size, size)), "conv1", 3, channels, kernel=3, stride=2)
    x = net.relu6(x, "conv1_relu")
    index = 0
    for expansion, filters, repeats, first_stride in _V2_STAGES:
        for repeat in range(repeats):
            index += 1
            stride = first_stride if repeat == 0 else 1
            x = _inverted_residual(net, x, f"block{index}", channels, _scaled(filters, width), expansion, stride)
            channels = _scaled(filters, width)
    last = _scaled(1280, max(1.0, width))
    x = net.relu6(net.conv(x, "conv_last", channels, last, kernel=1), "conv_last_relu")
    return net.classifier(x, last, 1000)


def _inverted_residual(
    net: Network, x: str, name: str, channels: int, filters: int, expansion: int, stride: int
) -> str:
    """Expand, filter each channel, project; with a shortcut where the shape is kept."""
    wide, y = channels * expansion, x
    if expansion > 1:
        y = net.relu6(net.conv(y, f"{name}_expand", channels, wide, kernel=1), f"{name}_expand_relu")
    y = net.conv(y, f"{name}_depthwise", wide, wide, kernel=3, stride=stride, groups=wide)
    y = net.relu6(y, f"{name}_depthwise_relu")
    y = net.conv(y, f"{name}_project", wide, filters, kernel=1)
    return net.node("Add", [x, y], f"{name}_add") if stride == 1 and channels == filters else y
