"""Operators that move, cut or reduce: what they are given beside the tensor is constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.training.operators.call import Call

__all__ = ["SHAPES"]


def _view(call: Call) -> Tensor:
    return call.reshaped(call.output_shape)


def _transpose(call: Call) -> Tensor:
    x = call.tensor(0)
    order = call.node.integers("perm", tuple(reversed(range(x.ndim))))
    if order[0] != 0 and call.batch(0) > 1:
        raise call.error("moves the batch axis, along which training has many samples")
    return x.permute(order)


def _concat(call: Call) -> Tensor:
    parts = [call.tensor(index) for index in range(len(call.inputs))]
    samples = max(call.batch(index) for index in range(len(parts)))
    axis = call.node.integer("axis", 1) % parts[0].ndim
    if axis == 0 and samples > 1:
        raise call.error("works across the batch axis, along which training has many samples")
    # A constant is joined to every sample.
    return torch.cat([part.expand(samples, *part.shape[1:]) if axis else part for part in parts], axis)


def _split(call: Call) -> tuple[Tensor, ...]:
    axis = call.axis(call.node.integer("axis", 0))
    return torch.split(call.tensor(0), [shape[axis] for shape in call.output_shapes()], axis)


def _slice(call: Call) -> Tensor:
    x = call.tensor(0)
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None:
        raise call.error("its bounds are missing")
    axes = call.integers("axes", 3) or tuple(range(len(starts)))
    steps = call.integers("steps", 4) or (1,) * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if axis % x.ndim == 0 and call.shape(0)[0] == call.output_shape[0]:
            continue
        x = torch.index_select(x, call.axis(axis), torch.from_numpy(np.arange(x.shape[axis])[start:end:step].copy()))
    return x


def _gather(call: Call) -> Tensor:
    indices = call.static(1)
    if indices is None:
        raise call.error("its indices are missing")
    x, axis = call.tensor(0), call.axis(call.node.integer("axis", 0))
    wrapped = np.where(indices < 0, indices + x.shape[axis], indices).astype(np.int64)
    picked = torch.index_select(x, axis, torch.from_numpy(wrapped.reshape(-1)))
    return picked.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


_PADDING = {"reflect": "reflect", "edge": "replicate"}


def _pad(call: Call) -> Tensor:
    x, pads = call.tensor(0), call.integers("pads", 1)
    if pads is None:
        raise call.error("its pads are missing")
    begin, end = pads[: x.ndim], pads[x.ndim :]
    if (begin[0] or end[0]) and call.batch(0) > 1:
        raise call.error("pads the batch axis, along which training has many samples")
    # PyTorch counts axes from the last.
    amounts = [amount for axis in reversed(range(x.ndim)) for amount in (begin[axis], end[axis])]
    mode = call.node.text("mode", "constant")
    if mode == "constant":
        value = call.static(2) if len(call.inputs) > 2 else None
        return F.pad(x, amounts, value=call.node.real("value", 0.0) if value is None else value.item())
    if mode not in _PADDING or any(amounts[2 * (x.ndim - 2) :]):
        raise call.error(f"padding of mode {mode!r} on these axes cannot be trained through")
    return F.pad(x, amounts[: 2 * (x.ndim - 2)], mode=_PADDING[mode])


def _reduce(function: Callable[[Tensor, tuple[int, ...]], Tensor]) -> Callable[[Call], Tensor]:
    """``function`` keeps the axes that it reduces; whether they stay is the output's shape to say."""

    def reduce(call: Call) -> Tensor:
        x = call.tensor(0)
        axes = call.integers("axes", 1)
        if axes is None and call.node.integer("noop_with_empty_axes", 0):
            return x
        chosen = tuple(call.axis(axis) for axis in (range(x.ndim) if axes is None else axes))
        y = function(x, chosen)
        return y if call.node.integer("keepdims", 1) else y.squeeze(chosen)

    return reduce


def _product(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    for axis in axes:
        x = torch.prod(x, axis, keepdim=True)
    return x


def _depth_to_space(call: Call) -> Tensor:
    x, block = call.tensor(0), call.node.integer("blocksize", 1)
    n, channels, height, width = x.shape
    if call.node.text("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, block)
    y = x.reshape(n, block, block, channels // block**2, height, width).permute(0, 3, 4, 1, 5, 2)
    return y.reshape(n, channels // block**2, height * block, width * block)


def _space_to_depth(call: Call) -> Tensor:
    x, block = call.tensor(0), call.node.integer("blocksize", 1)
    n, channels, height, width = x.shape
    y = x.reshape(n, channels, height // block, block, width // block, block).permute(0, 3, 5, 1, 2, 4)
    return y.reshape(n, channels * block**2, height // block, width // block)


SHAPES: dict[str, Callable[[Call], Tensor | tuple[Tensor, ...]]] = {
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Flatten": _view,
    "Gather": _gather,
    "Pad": _pad,
    "ReduceL1": _reduce(lambda x, axes: torch.sum(torch.abs(x), axes, keepdim=True)),
    "ReduceL2": _reduce(lambda x, axes: torch.sqrt(torch.sum(x * x, axes, keepdim=True))),
    "ReduceMax": _reduce(lambda x, axes: torch.amax(x, axes, keepdim=True)),
    "ReduceMean": _reduce(lambda x, axes: torch.mean(x, axes, keepdim=True)),
    "ReduceMin": _reduce(lambda x, axes: torch.amin(x, axes, keepdim=True)),
    "ReduceProd": _reduce(_product),
    "ReduceSum": _reduce(lambda x, axes: torch.sum(x, axes, keepdim=True)),
    "Reshape": _view,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _view,
    "Transpose": _transpose,
    "Unsqueeze": _view,
}
"""By ONNX operator."""
