"""Operators on each element: arithmetic and activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hwsim.training.straight_through import bipolar, dequantize, quantize

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.training.operators.call import Call

__all__ = ["ELEMENTWISE"]


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[[Call], Tensor]:
    return lambda call: function(call.tensor(0))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Call], Tensor]:
    return lambda call: function(call.tensor(0), call.tensor(1))


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Call], Tensor]:
    def fold(call: Call) -> Tensor:
        total = call.tensor(0)
        for index in range(1, len(call.inputs)):
            total = function(total, call.tensor(index))
        return total

    return fold


def _div(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b) if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _mean(call: Call) -> Tensor:
    return _folded(torch.add)(call) / len(call.inputs)


def _clip(call: Call) -> Tensor:
    x = call.tensor(0)
    bounds: list[float | None] = []
    for key, index in (("min", 1), ("max", 2)):
        given = call.static(index)
        bounds.append(
            call.node.real(key, 0.0) if key in call.node.attributes else given if given is None else given.item()
        )
    low, high = bounds
    return x if low is None and high is None else torch.clamp(x, low, high)


def _gelu(call: Call) -> Tensor:
    return F.gelu(call.tensor(0), approximate=call.node.text("approximate", "none"))


def _prelu(call: Call) -> Tensor:
    x = call.tensor(0)
    return torch.where(x > 0, x, x * call.tensor(1))


def _hard_sigmoid(call: Call) -> Tensor:
    alpha, beta = call.node.real("alpha", 0.2), call.node.real("beta", 0.5)
    return torch.clamp(call.tensor(0) * alpha + beta, 0.0, 1.0)


def _softmax(function: Callable[[Tensor, int], Tensor]) -> Callable[[Call], Tensor]:
    def softmax(call: Call) -> Tensor:
        x = call.tensor(0)
        if call.graph.opset >= 13:
            return function(x, call.axis(call.node.integer("axis", -1)))
        # Before opset 13, over everything from the axis on.
        axis = call.axis(call.node.integer("axis", 1))
        return function(x.flatten(axis), axis).reshape(x.shape)

    return softmax


def _dropout(call: Call) -> Tensor:
    ratio = call.static(1) if len(call.inputs) > 1 else None
    return F.dropout(call.tensor(0), call.node.real("ratio", 0.5) if ratio is None else ratio.item(), call.training)


def _along(call: Call, index: int) -> Tensor | None:
    """A scale or zero point, shaped to broadcast along the axis of the operator."""
    value = call.optional(index)
    if value is None or value.numel() == 1:
        return None if value is None else value.reshape(())
    shape = [1] * call.tensor(0).ndim
    shape[call.node.integer("axis", 1)] = -1
    return value.reshape(shape)


def _quantize(call: Call) -> Tensor:
    scale, zero_point = _along(call, 1), _along(call, 2)
    kind = call.static(2)
    if scale is None:
        raise call.error("input 1, the scale, is missing")
    signed = kind is not None and kind.dtype.kind == "i"
    if kind is not None and kind.dtype.itemsize != 1:
        raise call.error(f"quantises to {kind.dtype}; int8 and uint8 can be trained through")
    low, high = (-128.0, 127.0) if signed else (0.0, 255.0)
    return quantize(call.tensor(0), scale, 0.0 if zero_point is None else zero_point, low, high)


def _dequantize(call: Call) -> Tensor:
    scale, zero_point = _along(call, 1), _along(call, 2)
    if scale is None:
        raise call.error("input 1, the scale, is missing")
    return dequantize(call.tensor(0), scale, 0.0 if zero_point is None else zero_point)


def _bipolar(call: Call) -> Tensor:
    return bipolar(call.tensor(0), call.node.real("scale", 1.0))


ELEMENTWISE: dict[str, Callable[[Call], Tensor]] = {
    "Abs": _unary(torch.abs),
    "Add": _binary(torch.add),
    "Bipolar": _bipolar,
    "Clip": _clip,
    "Cos": _unary(torch.cos),
    "DequantizeLinear": _dequantize,
    "Div": _binary(_div),
    "Dropout": _dropout,
    "Elu": lambda call: F.elu(call.tensor(0), call.node.real("alpha", 1.0)),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _unary(F.hardswish),
    "Identity": _unary(lambda x: x),
    "LeakyRelu": lambda call: F.leaky_relu(call.tensor(0), call.node.real("alpha", 0.01)),
    "Log": _unary(torch.log),
    "LogSoftmax": _softmax(F.log_softmax),
    "Max": _folded(torch.maximum),
    "Mean": _mean,
    "Min": _folded(torch.minimum),
    "Mish": _unary(F.mish),
    "Mul": _binary(torch.mul),
    "Neg": _unary(torch.neg),
    "PRelu": _prelu,
    "Pow": _binary(torch.pow),
    "QuantizeLinear": _quantize,
    "Reciprocal": _unary(torch.reciprocal),
    "Relu": _unary(torch.relu),
    "Selu": _unary(F.selu),
    "Sigmoid": _unary(torch.sigmoid),
    "Sin": _unary(torch.sin),
    "Softmax": _softmax(torch.softmax),
    "Softplus": _unary(F.softplus),
    "Softsign": _unary(F.softsign),
    "Sqrt": _unary(torch.sqrt),
    "Sub": _binary(torch.sub),
    "Sum": _folded(torch.add),
    "Tanh": _unary(torch.tanh),
}
"""By ONNX operator."""
