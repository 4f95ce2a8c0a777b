"""The vocabulary of the builders: layers of a network in inference form, with weights that are named, sized and cheap.

Batch norms are folded already: a convolution has a bias instead, as exporters write it. Every graph has batch 1, one
input and one output, and comes out of :meth:`Network.model` checked and shape-inferred.
"""

from __future__ import annotations

from enum import Enum
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from workloads.onnx_graph import OnnxGraph

if TYPE_CHECKING:
    import onnx

__all__ = ["Network", "Weights"]


class Weights(Enum):
    """What stands in for trained weights. Cost does not depend on it; nothing here is meant for accuracy."""

    LIGHT = "light"
    """``ConstantOfShape`` nodes, as in the light models of the onnx wheel: a file of a few kilobytes. Every weight is
    one over its fan-in, so that activations neither grow nor vanish."""
    SEEDED = "seeded"
    """Normal, scaled by He's rule, from a seed: every weight in the file."""


class Network(OnnxGraph):
    """An :class:`OnnxGraph` that knows layers. A layer is named; its tensors and parameters are named after it."""

    def __init__(self, name: str, weights: Weights, seed: int = 0) -> None:
        super().__init__(name, description=f"{weights.value} weights, seed {seed}")
        self._weights = weights
        self._rng = np.random.default_rng(seed)

    def weight(self, name: str, shape: tuple[int, ...], fan_in: int) -> str:
        """A weight tensor of ``shape``, whose outputs are sums of ``fan_in`` products."""
        if self._weights is Weights.SEEDED:
            values = self._rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / fan_in))
            return self.constant(name, values)
        size = self.constant(f"{name}.shape", np.array(shape, np.int64))
        fill = helper.make_tensor("value", TensorProto.FLOAT, [1], [1 / fan_in])
        return self.node("ConstantOfShape", [size], name, value=fill)

    def zeros(self, name: str, count: int) -> str:
        """A bias of ``count`` zeros."""
        return self.constant(name, np.zeros(count, np.float32))

    def conv(
        self,
        x: str,
        name: str,
        channels: int,
        filters: int,
        *,
        kernel: int,
        stride: int = 1,
        pad: int | None = None,
        groups: int = 1,
        bias: bool = True,
    ) -> str:
        """A convolution; ``pad`` on all four sides, by default the half of the kernel."""
        shape = (filters, channels // groups, kernel, kernel)
        parameters = [self.weight(f"{name}.weight", shape, prod(shape[1:]))]
        if bias:
            parameters.append(self.zeros(f"{name}.bias", filters))
        return self.node(
            "Conv",
            [x, *parameters],
            name,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2 if pad is None else pad] * 4,
            group=groups,
        )

    def dense(self, x: str, name: str, inputs: int, outputs: int) -> str:
        """A fully connected layer on ``[1, inputs]``."""
        weights = self.weight(f"{name}.weight", (outputs, inputs), inputs)
        return self.node("Gemm", [x, weights, self.zeros(f"{name}.bias", outputs)], name, transB=1)

    def linear(self, x: str, name: str, inputs: int, outputs: int) -> str:
        """``x @ weights + bias`` on the last axis of a tensor of any rank."""
        weights = self.weight(f"{name}.weight", (inputs, outputs), inputs)
        product = self.node("MatMul", [x, weights], f"{name}.product")
        return self.node("Add", [product, self.zeros(f"{name}.bias", outputs)], name)

    def relu(self, x: str, name: str) -> str:
        """``max(x, 0)``."""
        return self.node("Relu", [x], name)

    def relu6(self, x: str, name: str) -> str:
        """``min(max(x, 0), 6)``, as exporters write it."""
        return self.node("Clip", [x, self.scalar("zero", 0.0), self.scalar("six", 6.0)], name)

    def max_pool(self, x: str, name: str, *, kernel: int, stride: int, pad: int = 0) -> str:
        """The maximum of each square window."""
        return self.node("MaxPool", [x], name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def classifier(self, x: str, channels: int, classes: int) -> onnx.ModelProto:
        """Global average, fully connected, softmax; and the model is done."""
        pooled = self.node("GlobalAveragePool", [x], "average")
        flat = self.node("Flatten", [pooled], "flatten", axis=1)
        logits = self.dense(flat, "classifier", channels, classes)
        return self.finish(self.node("Softmax", [logits], "probabilities", axis=1), (1, classes))

    def finish(self, result: str, shape: tuple[int, ...]) -> onnx.ModelProto:
        """Declares the output, and hands over the model."""
        self.output(result, shape)
        return self.model()
