"""The integer operator for each kind of ONNX operator, once the scale of its result is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.errors import ModelError
from compiler.evaluate import is_plain_window, window
from compiler.ir import Add, Concat, Conv, Layout, MatMul, Node, Pool, PoolKind, QuantParams, Requantize
from compiler.ir.integer import WIDEST, WIDEST_TWO_PLANES
from compiler.lower.scope import Scope, natural
from compiler.lower.values import Activation, Constant, Pending, Value, Weights
from compiler.numerics import mantissa_shift, residual
from compiler.passes.fuse_activation import bounds
from compiler.repeats import distinct, elementwise

__all__ = ["emit_integer"]

ACCUMULATOR_LIMIT = 2**31


def emit_integer(scope: Scope, pending: Pending, output: str, quant: QuantParams) -> Activation | None:
    """Emit the integer operator for ``pending`` that writes ``output`` with ``quant``; None if there is none.

    The result is in the node's own ONNX shape.

    Raises:
        ModelError: if the operator is one of the accelerator's, but its numbers do not fit it.

    """
    rule = _RULES.get(pending.node.op_type)
    if rule is None or pending.node.domain not in ("", "hwsim"):
        return None
    try:
        return rule(scope, pending, output, quant)
    except ModelError as error:
        raise ModelError(f"node {pending.node.name!r} ({pending.node.op_type}): {error}") from error


def limits(clip: tuple[float, float], quant: QuantParams) -> tuple[int, int]:
    """An activation's bounds as int8. Rounding is monotonic, so clipping may come after it."""
    low, high = (int(quant.quantize(np.asarray(bound, np.float32))) for bound in clip)
    return low, high


def result(scope: Scope, pending: Pending, output: str) -> Activation:
    """The emitted tensor in the node's ONNX shape."""
    layout, _ = natural(scope.source.tensor(pending.node.output).shape)
    return Activation(output, layout)


def _requantize(node: Node, x: QuantParams, weights: NDArray[np.float32], out: QuantParams) -> Requantize:
    # in this order, in float32: as ONNX Runtime computes its output scales
    scale = np.float32(x.scale) * weights.astype(np.float32) / np.float32(out.scale)
    scale = np.atleast_1d(scale).astype(np.float32)
    mantissa_shift(scale)
    return Requantize(scale, out.zero_point, *limits(node.clip(), out))


def _bias(value: Value | None, filters: int, scale: NDArray[np.float32]) -> NDArray[np.int32] | None:
    """int32 in units of the accumulator's ``scale``; None if it is not constant."""
    if value is None:
        return np.zeros(filters, np.int32)
    if isinstance(value, Weights):
        # ONNX Runtime takes a bias' integers as they are; exporters round its scale differently in the last places
        if (
            value.values.dtype == np.int32
            and np.allclose(value.scale, scale, rtol=1e-4, atol=0)
            and not value.zero_point.any()
        ):
            return np.broadcast_to(value.values.reshape(-1), (filters,)).astype(np.int32)
        real = value.real.reshape(-1)
    elif isinstance(value, Constant):
        real = value.value.reshape(-1)
    else:
        return None
    exact = np.rint(np.broadcast_to(real, (filters,)).astype(np.float64) / scale.astype(np.float64))
    if np.abs(exact).max(initial=0) >= ACCUMULATOR_LIMIT:
        raise ModelError("its bias overflows 32 bits at the scale of its accumulator; calibrate the model again")
    return exact.astype(np.int32)


def _weights(value: Weights, axis: int) -> NDArray[np.int16]:
    centred = value.centred
    different = distinct(centred)
    widest = WIDEST_TWO_PLANES if value.values.dtype == np.int16 else WIDEST
    if centred.dtype != np.int16 and max(different.max(initial=0), -different.min(initial=0)) > widest:
        raise ModelError(f"its weights are wider than {'two planes of 8 bits' if widest > WIDEST else '8 bits'}")
    if value.scale.size > 1 and value.axis % value.values.ndim != axis:
        raise ModelError(f"its weights are quantised along axis {value.axis}, not along their filters (axis {axis})")
    return elementwise(lambda values: values.astype(np.int16, copy=False), centred)


def _check_range(weights: NDArray[np.int16], widest: int, bias: NDArray[np.int32], x: QuantParams) -> None:
    reach = max(x.zero_point + 128, 127 - x.zero_point)
    filters, largest = weights.shape[-1], int(np.abs(bias.astype(np.int64)).max(initial=0))
    if weights.size // filters * widest * reach + largest < ACCUMULATOR_LIMIT:
        return
    sums = np.abs(weights.astype(np.int64)).reshape(-1, filters).sum(axis=0, dtype=np.int64)
    worst = sums * reach + np.abs(bias.astype(np.int64))
    if worst.max(initial=0) >= ACCUMULATOR_LIMIT:
        raise ModelError(f"its accumulator can reach {worst.max()}, beyond 32 bits; split the layer's inputs")


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """What makes a layer's accumulators, and bytes of them."""

    kernel: NDArray[np.int16]
    """``[..., filters]``"""
    bias: NDArray[np.int32]
    rule: Requantize


def _sums(
    node: Node, kernel: NDArray[np.int16], bias: Value | None, scale: NDArray[np.float32], x: QuantParams,
    out: QuantParams,
) -> _Sums | None:  # fmt: skip
    """The integers of a layer with ``kernel`` ``[..., filters]`` of ``scale``; None if they are not to be had.

    Weights of a few bits are multiplied up before a float bias is rounded to their scale: it stays as fine as it can.
    """
    unit = np.float32(x.scale) * scale
    few = distinct(kernel)
    widest = max(int(few.max(initial=0)), -int(few.min(initial=0)), 1)
    room = 127 // widest
    if node.bipolar() is not None:
        return _signs(node, kernel, bias, unit, room // 2 * 2, out)
    if room > 1 and isinstance(bias, Constant) and bias.value.any():
        kernel, scale, unit = kernel * np.int16(room), scale / np.float32(room), unit / np.float32(room)
    integers = _bias(bias, kernel.shape[-1], unit)
    if integers is None:
        return None
    _check_range(kernel, max(widest, 127), integers, x)
    return _Sums(kernel, integers, _requantize(node, x, scale, out))


def _signs(
    node: Node, kernel: NDArray[np.int16], bias: Value | None, unit: NDArray[np.float32], factor: int, out: QuantParams
) -> _Sums | None:
    """+1 where ``unit * acc + bias >= 0``, else -1, exactly.

    By the sign of an even multiple of ``acc`` plus an odd number, which is
    never zero: ``factor * acc + 2 * floor(factor / 2 * bias / unit) + 1 > 0`` just where the above holds.
    """
    real = np.zeros(1) if bias is None else bias.value if isinstance(bias, Constant) else None
    if real is None or factor < 2 or out.zero_point or np.float32(out.scale) != np.float32(node.bipolar() or 0):
        return None
    threshold = np.floor(factor // 2 * real.reshape(-1).astype(np.float64) / unit)
    if np.abs(threshold).max() >= ACCUMULATOR_LIMIT // 4:
        raise ModelError("its bias overflows 32 bits at the scale of its accumulator; train the model again")
    odd = np.broadcast_to(2 * threshold + 1, kernel.shape[-1:]).astype(np.int32)
    return _Sums(kernel * np.int16(factor), odd, Requantize(np.ones(1, np.float32), 0, -1, 1))


def _conv(scope: Scope, pending: Pending, output: str, quant: QuantParams) -> Activation | None:
    node = pending.node
    x, weights, *rest = pending.operands
    if not isinstance(x, Activation) or not isinstance(weights, Weights) or not is_plain_window(node):
        return None
    if weights.values.ndim not in (3, 4) or x.layout.shape[0] != 1:
        return None
    strides, dilations, pads = window(node, weights.values.shape[2:])
    have = scope.quant(x.tensor)
    kernel = _weights(weights, 0)
    kernel = (kernel if kernel.ndim == 4 else kernel[:, :, None]).transpose(2, 3, 1, 0)
    sums = _sums(node, kernel, rest[0] if rest else None, weights.scale, have, quant)
    if sums is None:
        return None
    tensor = scope.natural(x)
    operator = Conv(
        scope.target.fresh(node.name),
        (tensor,),
        output,
        sums.kernel,
        sums.bias,
        have.zero_point,
        sums.rule,
        strides,
        pads,
        dilations,
        node.integer("group", 1),
        format=scope.source.formats.get(node.name),
    )
    _, hwc = natural(scope.source.tensor(node.output).shape)
    scope.emit(operator, hwc, quant)
    return result(scope, pending, output)


def _fully_connected(scope: Scope, pending: Pending, output: str, quant: QuantParams) -> Activation | None:
    node = pending.node
    x, weights, *rest = pending.operands
    if not isinstance(x, Activation) or not isinstance(weights, Weights) or weights.values.ndim != 2:
        return None
    transposed = node.integer("transB", 0)
    matrix = _weights(weights, 0 if transposed else 1)
    matrix = matrix.T if transposed else matrix
    depth, filters = matrix.shape
    have = scope.quant(x.tensor)
    sums = _sums(node, matrix, rest[0] if rest else None, weights.scale, have, quant)
    if sums is None:
        return None
    matrix = sums.kernel
    if x.layout.index.size == depth and not scope.is_part(x):
        kernel = _whole_input(scope, x, matrix)
        tensor, height, width = x.tensor, 1, 1
    else:
        kernel = matrix[None, None]
        tensor = scope.natural(x, channels_last=True)
        height, width = scope.target.tensor(tensor).shape[:2]
    name = scope.target.fresh(node.name)
    known = scope.source.formats.get(node.name)
    operator = Conv(name, (tensor,), output, kernel, sums.bias, have.zero_point, sums.rule, format=known)
    scope.emit(operator, (height, width, filters), quant)
    return Activation(output, Layout.natural(scope.source.tensor(node.output).shape, channels_last=True))


def _whole_input(scope: Scope, x: Activation, matrix: NDArray[np.int16]) -> NDArray[np.int16]:
    """The matrix as a kernel that covers the whole input: its rows go to where the flattened elements lie."""
    flat, hwc = natural((1, x.layout.index.size))
    places = scope.layout(x, Layout(flat.index.reshape(x.layout.shape)), hwc).index.reshape(-1)
    height, width, channels = scope.target.tensor(x.tensor).shape
    filters = matrix.shape[1]
    if len(distinct(matrix)) == 1:
        return np.broadcast_to(matrix[0], (height, width, channels, filters))
    if np.array_equal(places, Layout.natural((1, channels, height, width)).index.reshape(-1)):
        return matrix.reshape(channels, height, width, filters).transpose(1, 2, 0, 3)
    rows = np.empty_like(matrix)
    rows[places] = matrix
    return rows.reshape(height, width, channels, filters)


def _pool(scope: Scope, pending: Pending, output: str, quant: QuantParams) -> Activation | None:
    node, x = pending.node, pending.operands[0]
    if not isinstance(x, Activation) or len(x.layout.shape) not in (3, 4) or x.layout.shape[0] != 1:
        return None
    spatial = x.layout.shape[2:]
    whole = node.op_type.startswith("Global")
    if not whole and not is_plain_window(node):
        return None
    kernel = spatial if whole else node.integers("kernel_shape")
    strides, dilations, pads = window(node, kernel) if not whole else ((1, 1), (1, 1), (0, 0, 0, 0))
    square = (kernel[0], kernel[1]) if len(kernel) == 2 else (1, kernel[0])
    if dilations != (1, 1):
        return None
    average = "Average" in node.op_type
    if average and any(pads) and not node.integer("count_include_pad", 0):
        return None
    tensor = scope.natural(x)
    have = scope.quant(tensor)
    covers = square == scope.target.tensor(tensor).shape[:2] and not any(pads)
    kind = PoolKind.GLOBAL if average and covers else PoolKind.AVERAGE if average else PoolKind.MAX
    count = np.float32(square[0] * square[1]) if average else np.float32(1)
    scale = np.float32(have.scale) / (np.float32(quant.scale) * count)
    rule = Requantize(np.asarray([scale], np.float32), quant.zero_point, *limits(node.clip(), quant))
    strides = (1, 1) if kind is PoolKind.GLOBAL else strides
    name = scope.target.fresh(node.name)
    _, hwc = natural(scope.source.tensor(node.output).shape)
    scope.emit(Pool(name, (tensor,), output, kind, square, have.zero_point, rule, strides, pads), hwc, quant)
    return result(scope, pending, output)


def _clamp(scope: Scope, pending: Pending, output: str, quant: QuantParams) -> Activation | None:
    """A ReLU or Clip that stands alone."""
    x, clip = pending.operands[0], bounds(scope.source, pending.node)
    if not isinstance(x, Activation) or clip is None:
        return None
    layout = scope.layout(x)
    scope.requantized(x.tensor, quant, output, limits(clip, quant))
    return Activation(output, layout)


def _add(scope: Scope, pending: Pending, output: str, quant: QuantParams) -> Activation | None:
    node = pending.node
    if len(pending.operands) != 2:
        return None
    left, right = pending.operands
    if not isinstance(left, Activation) or not isinstance(right, Activation):
        return None
    if left.layout.shape != right.layout.shape:
        return None
    if scope.is_free(left.tensor):
        left, right = right, left
    layout, tensor = scope.layout(left), left.tensor
    if scope.is_part(left):
        layout, hwc = natural(left.layout.shape)
        tensor = scope.arranged(left, layout, hwc)
    hwc = scope.target.tensor(tensor).shape
    other = scope.arranged(right, layout, hwc)
    rule = residual(other, scope.quant(tensor), scope.quant(other), quant, *limits(node.clip(), quant))
    name = scope.target.fresh(node.name)
    scope.emit(Add(name, (tensor, other), output, rule), hwc, quant)
    return Activation(output, layout)


def _concat(scope: Scope, pending: Pending, output: str, quant: QuantParams) -> Activation | None:
    node = pending.node
    shape = scope.source.tensor(node.output).shape
    parts = [value for value in pending.operands if isinstance(value, Activation)]
    if len(parts) != len(pending.operands) or not 2 <= len(shape) <= 4 or shape[0] != 1:
        return None
    axis = node.integer("axis", 1) % len(shape)
    rows = len(shape) == 3 and axis == 2
    if axis != 1 and not rows:
        return None
    layout, hwc = natural(shape, channels_last=rows)
    names = []
    for part in parts:
        tensor = scope.arranged(part, *natural(part.layout.shape, channels_last=rows))
        if scope.quant(tensor) != quant:
            tensor = scope.requantized(tensor, quant, scope.target.fresh(f"{tensor}/rescaled"))
        names.append(tensor)
    scope.emit(Concat(scope.target.fresh(node.name), tuple(names), output), hwc, quant)
    return Activation(output, layout)


def _matmul(scope: Scope, pending: Pending, output: str, quant: QuantParams) -> Activation | None:
    """A product of activations, one for each index of the axes before the last two."""
    x, w = pending.operands
    if not isinstance(x, Activation) or not isinstance(w, Activation):
        return None
    left, right = x.layout.shape, w.layout.shape
    shape = scope.source.tensor(pending.node.output).shape
    if len(left) < 2 or left[:-2] != right[:-2] or left[-1] != right[-2]:
        return None
    scales = [scope.quant(x.tensor), scope.quant(w.tensor)]
    if any(q.zero_point for q in scales):
        return None
    groups, depth = math.prod(left[:-2]), left[-1]
    if depth * 128 * 128 >= ACCUMULATOR_LIMIT:
        return None
    operands = tuple(scope.arranged(value, *_side_by_side(value.layout.shape)) for value in (x, w))
    # in this order, in float32: as ONNX Runtime computes its output scales
    scale = np.float32(scales[0].scale) * np.float32(scales[1].scale) / np.float32(quant.scale)
    scale *= np.float32(pending.node.real("alpha", 1.0))
    mantissa_shift(scale)
    rule = Requantize(np.asarray([scale], np.float32), quant.zero_point, *limits(pending.node.clip(), quant))
    layout, hwc = _side_by_side(shape)
    scope.emit(MatMul(scope.target.fresh(pending.node.name), operands, output, rule, groups), hwc, quant)
    return Activation(output, layout)


def _side_by_side(shape: Sequence[int]) -> tuple[Layout, tuple[int, int, int]]:
    """Matrices ``[..., rows, columns]`` as one image of a row: ``[1, rows, matrices * columns]``."""
    *batch, rows, columns = shape
    count = math.prod(batch)
    index = np.arange(count * rows * columns, dtype=np.int32).reshape(rows, count, columns).transpose(1, 0, 2)
    return Layout(index.reshape(tuple(shape))), (1, rows, count * columns)


_Rule = Callable[[Scope, Pending, str, QuantParams], "Activation | None"]
_RULES: dict[str, _Rule] = {
    "Conv": _conv,
    "FullyConnected": _fully_connected,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalMaxPool": _pool,
    "GlobalAveragePool": _pool,
    "Relu": _clamp,
    "Clip": _clamp,
    "Add": _add,
    "Concat": _concat,
    "MatMul": _matmul,
}
