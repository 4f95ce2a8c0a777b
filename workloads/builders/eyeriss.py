"""The convolutions that Eyeriss was measured on (Chen et al., JSSC 2017, tables V and VI), layer names as there.

AlexNet as in Caffe: 227 x 227, two groups in layers 2, 4 and 5. Its LRN and both networks' fully connected layers were
not run on the chip, and are left out; the poolings are kept, for the sizes that they leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.builders.network import Network, Weights

if TYPE_CHECKING:
    import onnx

__all__ = ["eyeriss_alexnet", "eyeriss_vgg16"]

# Simonyan and Zisserman, arXiv:1409.1556, table 1, column D: convolutions of a block, and their filters
_VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def eyeriss_alexnet(weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """``[1, 3, 227, 227]`` to ``[1, 256, 13, 13]``: five convolutions, 666 M multiply-accumulates."""
    net = Network("eyeriss-alexnet", weights)
    x = net.conv(net.input("input", (1, 3, 227, 227)), "CONV1", 3, 96, kernel=11, stride=4, pad=0)
    x = net.max_pool(net.relu(x, "relu1"), "pool1", kernel=3, stride=2)
    x = net.relu(net.conv(x, "CONV2", 96, 256, kernel=5, groups=2), "relu2")
    x = net.max_pool(x, "pool2", kernel=3, stride=2)
    x = net.relu(net.conv(x, "CONV3", 256, 384, kernel=3), "relu3")
    x = net.relu(net.conv(x, "CONV4", 384, 384, kernel=3, groups=2), "relu4")
    x = net.relu(net.conv(x, "CONV5", 384, 256, kernel=3, groups=2), "relu5")
    return net.finish(x, (1, 256, 13, 13))


def eyeriss_vgg16(weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """``[1, 3, 224, 224]`` to ``[1, 512, 14, 14]``: thirteen convolutions, 15.3 G multiply-accumulates."""
    net = Network("eyeriss-vgg16", weights)
    x, channels = net.input("input", (1, 3, 224, 224)), 3
    for block, (count, filters) in enumerate(_VGG16, 1):
        if block > 1:
            x = net.max_pool(x, f"pool{block - 1}", kernel=2, stride=2)
        for index in range(1, count + 1):
            x = net.conv(x, f"CONV{block}-{index}", channels, filters, kernel=3)
            x, channels = net.relu(x, f"relu{block}-{index}"), filters
    return net.finish(x, (1, 512, 14, 14))
