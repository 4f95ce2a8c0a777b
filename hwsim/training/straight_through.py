"""Quantisation with a gradient: the forward pass rounds, the backward pass does as if it had not.

Straight-through estimator: Bengio, Leonard and Courville, "Estimating or Propagating Gradients Through Stochastic
Neurons", 2013; with the gradient stopped where a value saturates, as in Courbariaux et al., "Binarized Neural
Networks", NeurIPS 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir import QuantParams

__all__ = ["Quantiser", "bipolar", "dequantize", "fake_quantize", "quantize", "quantize_weights"]


class Quantiser(Protocol):
    """A format of weights, as :mod:`compiler.compress.quantisers` registers them."""

    def quantise(self, w: NDArray) -> NDArray:
        """The nearest values that the format has, in the shape of ``w``."""
        ...


class _Rounded(torch.autograd.Function):
    """Rounding to nearest even, as ONNX does; its gradient is one."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:  # noqa: ARG004
        return torch.round(x)

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:  # noqa: ARG004
        return grads[0]


def _rounded(x: Tensor) -> Tensor:
    result = _Rounded.apply(x)
    assert isinstance(result, Tensor), "one in, one out"
    return result


def quantize(x: Tensor, scale: Tensor, zero_point: Tensor | float, low: float, high: float) -> Tensor:
    """``clamp(round(x / scale) + zero_point, low, high)``, in floats; no gradient beyond the bounds."""
    return torch.clamp(_rounded(x / scale) + zero_point, low, high)


def dequantize(q: Tensor, scale: Tensor, zero_point: Tensor | float) -> Tensor:
    """``(q - zero_point) * scale``."""
    return (q.to(scale.dtype) - zero_point) * scale


def fake_quantize(x: Tensor, quant: QuantParams) -> Tensor:
    """``x`` on the int8 grid of an activation: what the accelerator would see of it."""
    scale = torch.tensor(quant.scale, dtype=x.dtype)
    return dequantize(quantize(x, scale, float(quant.zero_point), -128.0, 127.0), scale, float(quant.zero_point))


def quantize_weights(w: Tensor, quantiser: Quantiser) -> Tensor:
    """``w`` as ``quantiser`` would store it; the gradient goes to the float weights that it came from."""
    stored = torch.from_numpy(quantiser.quantise(w.detach().numpy()).copy()).to(w.dtype)
    return w + (stored - w).detach()


def bipolar(x: Tensor, scale: float) -> Tensor:
    """``scale`` where x >= 0, else ``-scale``; the gradient of ``clamp(x, -1, 1)``."""
    hard = torch.where(x >= 0, scale, -scale).to(x.dtype)
    soft = torch.clamp(x, -1.0, 1.0)
    return soft + (hard - soft).detach()
