"""Operators with weights or windows: convolutions, matrix products, pooling, normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.training.operators.call import Call

__all__ = ["LAYERS"]

Window = tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]
"""Strides, dilations, and the pads at begin and end of each spatial axis."""


def _window(call: Call, kernel: tuple[int, ...]) -> Window:
    """Of a convolution or pool, as its output shape implies it: floor, ceiling and ``auto_pad`` alike.

    The end pad is what the last window reaches; less than nothing where the last rows are left unread.
    """
    rank = len(kernel)
    strides, dilations = call.node.integers("strides", (1,) * rank), call.node.integers("dilations", (1,) * rank)
    explicit = call.node.integers("pads", (0,) * (2 * rank))
    auto = call.node.text("auto_pad", "NOTSET")
    pads: list[tuple[int, int]] = []
    sizes = zip(call.shape(0)[2:], call.output_shape[2:], kernel, strides, dilations, strict=True)
    for axis, (size, out, taps, stride, dilation) in enumerate(sizes):
        total = (out - 1) * stride + dilation * (taps - 1) + 1 - size
        if auto == "SAME_UPPER":
            begin = max(total, 0) // 2
        elif auto == "SAME_LOWER":
            begin = (max(total, 0) + 1) // 2
        else:
            begin = 0 if auto == "VALID" else explicit[axis]
        pads.append((begin, total - begin))
    return strides, dilations, tuple(pads)


def _padded(x: Tensor, pads: tuple[tuple[int, int], ...], value: float = 0.0) -> Tensor:
    if not any(any(pair) for pair in pads):
        return x
    # PyTorch counts axes from the last.
    return F.pad(x, [amount for pair in reversed(pads) for amount in pair], value=value)


def _spatial_rank(call: Call, x: Tensor) -> int:
    if x.ndim not in (3, 4, 5):
        raise call.error(f"of {x.ndim - 2} spatial axes; 1 to 3 can be trained")
    return x.ndim - 2


def _conv(call: Call) -> Tensor:
    x, weights, bias = call.tensor(0), call.tensor(1), call.optional(2)
    strides, dilations, pads = _window(call, tuple(weights.shape[2:]))
    function = (F.conv1d, F.conv2d, F.conv3d)[_spatial_rank(call, x) - 1]
    groups = call.node.integer("group", 1)
    if all(begin == end for begin, end in pads):
        padding = tuple(begin for begin, _ in pads)
        return function(x, weights, bias, strides, padding, dilations, groups)
    return function(_padded(x, pads), weights, bias, strides, 0, dilations, groups)


def _conv_transpose(call: Call) -> Tensor:
    x, weights, bias = call.tensor(0), call.tensor(1), call.optional(2)
    rank = _spatial_rank(call, x)
    kernel = tuple(weights.shape[2:])
    strides, dilations = call.node.integers("strides", (1,) * rank), call.node.integers("dilations", (1,) * rank)
    if call.node.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise call.error("auto_pad of a transposed convolution cannot be trained; export with explicit pads")
    pads = call.node.integers("pads", (0,) * (2 * rank))
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    extra = call.node.integers("output_padding", (0,) * rank)
    groups = call.node.integer("group", 1)
    full = function(x, weights, None, strides, 0, extra, groups, dilations)
    del kernel
    y = _padded(full, tuple((-pads[axis], -pads[rank + axis]) for axis in range(rank)))
    return y if bias is None else y + bias.reshape(1, -1, *[1] * rank)


def _gemm(call: Call) -> Tensor:
    a, b, bias = call.tensor(0), call.tensor(1), call.optional(2)
    if call.node.integer("transA", 0):
        call.axis(0)
        a = a.T
    y = a @ (b.T if call.node.integer("transB", 0) else b) * call.node.real("alpha", 1.0)
    return y if bias is None else y + bias * call.node.real("beta", 1.0)


def _fully_connected(call: Call) -> Tensor:
    weights, bias = call.tensor(1), call.optional(2)
    return F.linear(call.tensor(0), weights if call.node.integer("transB", 0) else weights.T, bias)


def _matmul(call: Call) -> Tensor:
    return call.tensor(0) @ call.tensor(1) * call.node.real("alpha", 1.0)


def _max_pool(call: Call) -> Tensor:
    x, kernel = call.tensor(0), call.node.integers("kernel_shape")
    strides, dilations, pads = _window(call, kernel)
    function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[_spatial_rank(call, x) - 1]
    return function(_padded(x, pads, float("-inf")), kernel, strides, 0, dilations)


def _average_pool(call: Call) -> Tensor:
    x, kernel = call.tensor(0), call.node.integers("kernel_shape")
    rank = _spatial_rank(call, x)
    strides, dilations, pads = _window(call, kernel)
    if any(d != 1 for d in dilations):
        raise call.error("an average pool with dilations cannot be trained")
    function = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[rank - 1]
    sums = function(_padded(x, pads), kernel, strides)
    if not any(any(pair) for pair in pads):
        return sums
    counted = x.new_ones((1, 1, *x.shape[2:]))
    if call.node.integer("count_include_pad", 0):
        # What a ceiling adds beyond the declared pads counts for nothing.
        declared = call.node.integers("pads", (0,) * (2 * rank))
        ends = [min(declared[rank + axis], pads[axis][1]) for axis in range(rank)]
        if call.node.text("auto_pad", "NOTSET") != "NOTSET":
            ends = [end for _, end in pads]
        counted = _padded(counted, tuple((begin, max(e, 0)) for (begin, _), e in zip(pads, ends, strict=True)), 1.0)
        pads = tuple((0, end - max(e, 0)) for (_, end), e in zip(pads, ends, strict=True))
    return sums / function(_padded(counted, pads), kernel, strides)


def _global(reduce: Callable[[Tensor, tuple[int, ...]], Tensor]) -> Callable[[Call], Tensor]:
    return lambda call: reduce(call.tensor(0), tuple(range(2, call.tensor(0).ndim)))


def _batch_norm(call: Call) -> Tensor:
    x, gain, shift, mean, variance = (call.tensor(index) for index in range(5))
    # ONNX keeps that share of the old average, PyTorch takes that of the new value.
    momentum = 1.0 - call.node.real("momentum", 0.9)
    epsilon = call.node.real("epsilon", 1e-5)
    return F.batch_norm(x, mean, variance, gain, shift, training=call.training, momentum=momentum, eps=epsilon)


def _instance_norm(call: Call) -> Tensor:
    return F.instance_norm(
        call.tensor(0), weight=call.tensor(1), bias=call.tensor(2), eps=call.node.real("epsilon", 1e-5)
    )


def _layer_norm(call: Call) -> Tensor:
    x = call.tensor(0)
    axis = call.axis(call.node.integer("axis", -1))
    gain, shift = call.tensor(1), call.optional(2)
    shape = tuple(x.shape[axis:])
    y = F.layer_norm(x, shape, eps=call.node.real("epsilon", 1e-5)) * gain
    return y if shift is None else y + shift


def _local_response(call: Call) -> Tensor:
    node = call.node
    return F.local_response_norm(
        call.tensor(0),
        node.integer("size", 1),
        node.real("alpha", 1e-4),
        node.real("beta", 0.75),
        node.real("bias", 1.0),
    )


LAYERS: dict[str, Callable[[Call], Tensor]] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "FullyConnected": _fully_connected,
    "Gemm": _gemm,
    "GlobalAveragePool": _global(lambda x, axes: torch.mean(x, axes, keepdim=True)),
    "GlobalMaxPool": _global(lambda x, axes: torch.amax(x, axes, keepdim=True)),
    "InstanceNormalization": _instance_norm,
    "LRN": _local_response,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
}
"""By ONNX operator; ``FullyConnected`` is ours."""
