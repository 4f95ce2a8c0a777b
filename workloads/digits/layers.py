"""The layers of the digits networks in plain numpy: what each computes, and its gradient.

Activations are float32 ``[n, height, width, channels]`` or ``[n, features]``; kernels are ``[filters, channels, height,
width]`` as ONNX has them. A layer keeps from its call what its ``backward`` needs, so the two alternate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = [
    "BatchNorm",
    "Conv",
    "Dense",
    "Flatten",
    "GlobalAverage",
    "Layer",
    "MaxPool",
    "Parameter",
    "Relu",
    "Residual",
    "Sequential",
]


class Parameter:
    """A trained tensor and the gradient of the loss with respect to it."""

    def __init__(self, value: NDArray[np.generic]) -> None:
        self.value: Array = np.ascontiguousarray(value, np.float32)
        self.grad: Array = np.zeros_like(self.value)


class Layer(ABC):
    """A differentiable function with a name: ``y = layer(x)``, then ``grad_x = layer.backward(grad_y)``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.training = False

    def parameters(self) -> list[Parameter]:
        """What is trained, in the order of definition."""
        return [value for value in vars(self).values() if isinstance(value, Parameter)]

    def train(self, training: bool) -> None:
        """Before calls that train, and after. Most layers compute the same in both."""
        self.training = training

    def __call__(self, x: Array) -> Array:
        """The layer's result for ``x``."""
        return self._forward(x)

    @abstractmethod
    def _forward(self, x: Array) -> Array: ...

    @abstractmethod
    def backward(self, grad: Array) -> Array:
        """The gradient with respect to the input; sets that of every parameter."""


def _he(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Parameter:
    # He et al., "Delving Deep into Rectifiers", ICCV 2015: keeps the variance through a ReLU.
    return Parameter(rng.standard_normal(shape) * np.sqrt(2 / fan_in))


class Conv(Layer):
    """Convolution without bias (a batch norm follows), "same" padding of ``kernel // 2``; optionally depthwise.

    Computed a kernel tap at a time: ``y += x[shifted by the tap] @ w[tap]``. No window is ever materialised.
    """

    def __init__(
        self,
        name: str,
        rng: np.random.Generator,
        channels: int,
        filters: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        depthwise: bool = False,
    ) -> None:
        super().__init__(name)
        if depthwise and channels != filters:
            raise ValueError(f"{name}: a depthwise convolution keeps its channels, not {channels} to {filters}")
        self.kernel, self.stride, self.depthwise, self.pad = kernel, stride, depthwise, kernel // 2
        depth = 1 if depthwise else channels
        self.weights = _he(rng, (filters, depth, kernel, kernel), depth * kernel * kernel)

    def _taps(self, padded: Array, out: tuple[int, int]) -> Iterator[tuple[int, int, Array]]:
        s = self.stride
        for i in range(self.kernel):
            for j in range(self.kernel):
                yield i, j, padded[:, i : i + s * (out[0] - 1) + 1 : s, j : j + s * (out[1] - 1) + 1 : s]

    def _forward(self, x: Array) -> Array:
        p, s, w = self.pad, self.stride, self.weights.value
        self._padded = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
        height, width = ((d + 2 * p - self.kernel) // s + 1 for d in x.shape[1:3])
        y = np.zeros((len(x), height, width, len(w)), np.float32)
        for i, j, shifted in self._taps(self._padded, (height, width)):
            y += shifted * w[:, 0, i, j] if self.depthwise else shifted @ w[:, :, i, j].T
        return y

    def backward(self, grad: Array) -> Array:
        """The convolution with the kernel turned round: the transpose, tap by tap."""
        w, p = self.weights.value, self.pad
        out = (grad.shape[1], grad.shape[2])
        back = np.zeros_like(self._padded)
        flat = grad.reshape(-1, grad.shape[-1])
        taps = zip(self._taps(self._padded, out), self._taps(back, out), strict=True)
        for (i, j, shifted), (_, _, view) in taps:
            if self.depthwise:
                self.weights.grad[:, 0, i, j] = (grad * shifted).sum(axis=(0, 1, 2))
                view[...] += grad * w[:, 0, i, j]
            else:
                self.weights.grad[:, :, i, j] = flat.T @ shifted.reshape(len(flat), -1)
                view[...] += grad @ w[:, :, i, j]
        return back[:, p : back.shape[1] - p, p : back.shape[2] - p]


class Dense(Layer):
    """``y = x @ weights.T + bias``; weights are ``[outputs, inputs]``."""

    def __init__(self, name: str, rng: np.random.Generator, inputs: int, outputs: int) -> None:
        super().__init__(name)
        self.weights = _he(rng, (outputs, inputs), inputs)
        self.bias = Parameter(np.zeros(outputs))

    def _forward(self, x: Array) -> Array:
        self._x = x
        return x @ self.weights.value.T + self.bias.value

    def backward(self, grad: Array) -> Array:
        """Products of the gradient with the other factor."""
        self.weights.grad[:] = grad.T @ self._x
        self.bias.grad[:] = grad.sum(axis=0)
        return grad @ self.weights.value


class BatchNorm(Layer):
    """``y = gain * (x - mean) / sqrt(variance + EPSILON) + shift`` per channel.

    Training uses the batch's statistics and keeps running ones, which inference uses.
    """

    EPSILON = 1e-5
    MOMENTUM = 0.9

    def __init__(self, name: str, channels: int) -> None:
        super().__init__(name)
        self.gain, self.shift = Parameter(np.ones(channels)), Parameter(np.zeros(channels))
        self.mean: Array = np.zeros(channels, np.float32)
        self.variance: Array = np.ones(channels, np.float32)

    def _forward(self, x: Array) -> Array:
        mean, variance = self.mean, self.variance
        if self.training:
            axes = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axis=axes), x.var(axis=axes)
            self.mean = (self.MOMENTUM * self.mean + (1 - self.MOMENTUM) * mean).astype(np.float32)
            self.variance = (self.MOMENTUM * self.variance + (1 - self.MOMENTUM) * variance).astype(np.float32)
        self._inverse = (1 / np.sqrt(variance + self.EPSILON)).astype(np.float32)
        self._normal = (x - mean) * self._inverse
        return self._normal * self.gain.value + self.shift.value

    def backward(self, grad: Array) -> Array:
        """Through the normalised value, and through the batch's mean and variance."""
        axes = tuple(range(grad.ndim - 1))
        self.gain.grad[:] = (grad * self._normal).sum(axis=axes)
        self.shift.grad[:] = grad.sum(axis=axes)
        count = grad.size // grad.shape[-1]
        through_statistics = (self.shift.grad + self._normal * self.gain.grad) / count
        return np.asarray((grad - through_statistics) * (self.gain.value * self._inverse), np.float32)


class Relu(Layer):
    """``max(x, 0)``."""

    def _forward(self, x: Array) -> Array:
        self._positive = x > 0
        return x * self._positive

    def backward(self, grad: Array) -> Array:
        """The gradient where the input was positive."""
        return grad * self._positive


class MaxPool(Layer):
    """The maximum of each 2 x 2 block; height and width are even. Equal maxima share the gradient."""

    @staticmethod
    def _blocks(x: Array) -> Array:
        n, height, width, channels = x.shape
        return x.reshape(n, height // 2, 2, width // 2, 2, channels)

    def _forward(self, x: Array) -> Array:
        blocks = self._blocks(x)
        top = blocks.max(axis=(2, 4), keepdims=True)
        winners = (blocks == top).astype(np.float32)
        self._share = winners / winners.sum(axis=(2, 4), keepdims=True)
        return top[:, :, 0, :, 0]

    def backward(self, grad: Array) -> Array:
        """The gradient to the maximum of each block."""
        n, _, height, _, width, channels = self._share.shape
        spread = grad[:, :, None, :, None] * self._share
        return spread.reshape(n, self._share.shape[1] * height, self._share.shape[3] * width, channels)


class GlobalAverage(Layer):
    """The mean of each channel: ``[n, height, width, channels]`` to ``[n, channels]``."""

    def _forward(self, x: Array) -> Array:
        self._shape = x.shape
        return x.mean(axis=(1, 2))

    def backward(self, grad: Array) -> Array:
        """An equal share to each pixel."""
        area = np.float32(self._shape[1] * self._shape[2])
        return np.broadcast_to(grad[:, None, None] / area, self._shape).copy()


class Flatten(Layer):
    """One channel's image as a vector. With more channels the orders of ONNX and of this file would differ."""

    def _forward(self, x: Array) -> Array:
        if x.shape[-1] != 1:
            raise ValueError(f"{self.name}: can flatten one channel, not {x.shape[-1]}")
        self._shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, grad: Array) -> Array:
        """The image again."""
        return grad.reshape(self._shape)


class Sequential(Layer):
    """Layers one after another."""

    def __init__(self, name: str, layers: list[Layer]) -> None:
        super().__init__(name)
        self.layers = layers

    def parameters(self) -> list[Parameter]:
        """Those of each layer in turn."""
        return [p for layer in self.layers for p in layer.parameters()]

    def train(self, training: bool) -> None:
        """Passes it on to every layer."""
        super().train(training)
        for layer in self.layers:
            layer.train(training)

    def _forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, grad: Array) -> Array:
        """The chain rule."""
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


class Residual(Sequential):
    """``x + layers(x)``."""

    def _forward(self, x: Array) -> Array:
        return x + super()._forward(x)

    def backward(self, grad: Array) -> Array:
        """Both ways from the sum."""
        return grad + super().backward(grad)
