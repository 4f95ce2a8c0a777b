"""Shape rules of the integer operators; those of ONNX operators are ONNX' own, inferred when a model is read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compiler.ir.error import IRError
from compiler.ir.integer import Add, Concat, Conv, IntegerOp, MatMul, Permute, Pool, PoolKind
from compiler.ir.tensor import Tensor

__all__ = ["check_shapes", "conv_size", "integer_shape"]


ON_ACCELERATOR = (Conv, Pool, Add, Concat, Permute, MatMul)


def conv_size(size: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1) -> int:
    """The output length of a window that slides over ``size`` elements; 0 or less where it does not fit."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def integer_shape(operator: IntegerOp, tensor: Callable[[str], Tensor]) -> tuple[int, ...] | None:
    """The ``(height, width, channels)`` that an integer operator makes of its inputs; None for host operators."""
    if not isinstance(operator, ON_ACCELERATOR):
        return None
    shapes = [tensor(name).shape for name in operator.inputs]
    height, width, channels = shapes[0]
    if isinstance(operator, Add):
        return shapes[0]
    if isinstance(operator, Concat):
        return height, width, sum(shape[2] for shape in shapes)
    if isinstance(operator, Permute):
        return height, width, len(operator.channels)
    if isinstance(operator, MatMul):
        return height, width, shapes[1][2]
    if isinstance(operator, Pool) and operator.kind is PoolKind.GLOBAL:
        return 1, 1, channels
    if isinstance(operator, Conv):
        kernel, dilations, channels = operator.weights.shape[:2], operator.dilations, operator.weights.shape[3]
    else:
        kernel, dilations = operator.kernel, (1, 1)
    top, left, bottom, right = operator.pads
    return (
        conv_size(height, kernel[0], operator.strides[0], top, bottom, dilations[0]),
        conv_size(width, kernel[1], operator.strides[1], left, right, dilations[1]),
        channels,
    )


def check_shapes(operator: IntegerOp, tensor: Callable[[str], Tensor]) -> None:
    """Raise :class:`IRError` unless an integer operator's tensors fit it and each other."""
    expected = integer_shape(operator, tensor)
    if expected is None:
        return
    tensors = [tensor(name) for name in (*operator.inputs, operator.output)]
    for found in tensors:
        if found.dtype != np.int8 or len(found.shape) != 3 or found.quant is None:
            raise IRError(f"{operator.name}: tensor {found.name!r} is not a quantised [height, width, channels]")
    output = tensors[-1]
    if output.shape != expected or min(expected) < 1:
        raise IRError(f"{operator.name}: output {output.name!r} is {list(output.shape)}, not {list(expected)}")
    if isinstance(operator, Conv):
        _check_conv(operator, tensors[0].shape[2])
    residual = operator.residual if isinstance(operator, (Conv, Add)) else None
    if residual is not None:
        if len(operator.inputs) != 2 or operator.inputs[1] != residual.tensor:
            raise IRError(f"{operator.name}: the residual {residual.tensor!r} is not its second input")
        if tensors[1].shape != output.shape:
            raise IRError(f"{operator.name}: the residual is {list(tensors[1].shape)}, not {list(output.shape)}")
    if isinstance(operator, (Concat, Permute)) and any(t.quant != output.quant for t in tensors):
        raise IRError(f"{operator.name}: moves values between tensors of different scales")
    if isinstance(operator, Permute) and not all(0 <= c < tensors[0].shape[2] for c in operator.channels):
        raise IRError(f"{operator.name}: picks channels that its input {list(tensors[0].shape)} has not")
    if isinstance(operator, MatMul):
        _check_matmul(operator, tensors)


def _check_matmul(product: MatMul, tensors: list[Tensor]) -> None:
    x, w, _ = (tensor.shape for tensor in tensors)
    if x[0] != 1 or w[0] != 1 or w[1] * product.groups != x[2] or w[2] % product.groups:
        raise IRError(f"{product.name}: {list(x)} and {list(w)} have no product in {product.groups} groups")
    if any(tensor.quant is None or tensor.quant.zero_point for tensor in tensors[:2]):
        raise IRError(f"{product.name}: its operands have zero points other than 0")


def _check_conv(conv: Conv, channels: int) -> None:
    filters = conv.weights.shape[3]
    if conv.weights.shape[2] * conv.groups != channels or filters % conv.groups:
        raise IRError(f"{conv.name}: weights {list(conv.weights.shape)} do not fit {channels} channels")
    if conv.bias.shape != (filters,) or conv.requantize.scale.shape not in ((filters,), (1,)):
        raise IRError(f"{conv.name}: bias and scale must have one entry for each of the {filters} filters")
