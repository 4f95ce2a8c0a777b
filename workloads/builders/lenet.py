"""The two LeNets of the compression papers, for MNIST: ``[1, 1, 28, 28]`` to ``[1, 10]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.builders.network import Network, Weights

if TYPE_CHECKING:
    import onnx

__all__ = ["lenet_5", "lenet_300_100"]


def lenet_300_100(weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """Three fully connected layers; 266,200 weights."""
    net = Network("lenet-300-100", weights)
    x = net.node("Flatten", [net.input("input", (1, 1, 28, 28))], "flatten", axis=1)
    x = net.relu(net.dense(x, "fc1", 784, 300), "fc1_relu")
    x = net.relu(net.dense(x, "fc2", 300, 100), "fc2_relu")
    return net.finish(net.node("Softmax", [net.dense(x, "fc3", 100, 10)], "probabilities", axis=1), (1, 10))


def lenet_5(weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """Caffe's LeNet, which the papers call LeNet-5: 430,500 weights, and no ReLU after its convolutions."""
    net = Network("lenet-5", weights)
    x = net.conv(net.input("input", (1, 1, 28, 28)), "conv1", 1, 20, kernel=5, pad=0)
    x = net.max_pool(x, "pool1", kernel=2, stride=2)
    x = net.conv(x, "conv2", 20, 50, kernel=5, pad=0)
    x = net.max_pool(x, "pool2", kernel=2, stride=2)
    x = net.node("Flatten", [x], "flatten", axis=1)
    x = net.relu(net.dense(x, "fc1", 800, 500), "fc1_relu")
    return net.finish(net.node("Softmax", [net.dense(x, "fc2", 500, 10)], "probabilities", axis=1), (1, 10))
