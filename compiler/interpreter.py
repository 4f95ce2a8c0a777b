"""The integer reference interpreter: the specification of the hardware.

Whatever the accelerator computes for a compiled network must equal, byte for byte, what this computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Add, Concat, Conv, Graph, Host, IntegerOp, MatMul, Permute, Pool, PoolKind, outputs_of
from compiler.kernels import conv2d, max_pool, sum_pool
from compiler.numerics import apply_residual, requantize_as

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["accumulate", "bind_inputs", "execute", "interpret", "read_outputs"]

_ROWS = 128
"""Of weights that are float64 at a time: what fits a cache. Their sums are exact in any order."""


def interpret(graph: Graph, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Every tensor of an integer graph, by name: int8 ``[height, width, channels]``, or float32 between host operators.

    ``inputs`` maps each model input to an array in the model file's layout, in its type or in float32; an int8 array
    of exactly the tensor's HWC shape is taken as it is.

    Raises:
        ValueError: if an input is missing, unknown, or of another shape.
        ModelError: if an operator of the host cannot be run.

    """
    values = bind_inputs(graph, inputs)
    for operator in graph.select(IntegerOp):
        values[operator.output] = execute(graph, operator, values)
    return values


def bind_inputs(graph: Graph, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The tensors that enter the graph for the user's arrays."""
    unknown = set(inputs) - {port.name for port in graph.input_ports}
    if unknown:
        known = ", ".join(repr(port.name) for port in graph.input_ports)
        raise ValueError(f"there is no input {sorted(unknown)[0]!r}; the model has {known}")
    values: dict[str, NDArray] = {}
    for port in graph.input_ports:
        if port.name not in inputs:
            raise ValueError(f"input {port.name!r} {list(port.shape)} is missing")
        tensor, array = graph.tensor(port.tensor), np.asarray(inputs[port.name])
        as_it_is = array.dtype == np.int8 and array.shape == tensor.shape and len(port.shape) != 3
        values[port.tensor] = array if as_it_is else port.admit(array, tensor)
    return values


def read_outputs(graph: Graph, values: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The model's outputs, in the model file's layout and types, from what :func:`interpret` returned."""
    return {port.name: port.release(values[port.tensor], graph.tensor(port.tensor)) for port in graph.output_ports}


def execute(graph: Graph, operator: IntegerOp, values: Mapping[str, NDArray]) -> NDArray:
    """The output of one operator, whose inputs are in ``values``."""
    if isinstance(operator, Conv):
        q = requantize_as(accumulate(operator, values[operator.inputs[0]]), operator.requantize)
        rule = operator.residual
        return q if rule is None else apply_residual(q, values[rule.tensor], rule)
    if isinstance(operator, Pool):
        return requantize_as(accumulate(operator, values[operator.inputs[0]]), operator.requantize)
    if isinstance(operator, Add):
        return apply_residual(values[operator.inputs[0]], values[operator.residual.tensor], operator.residual)
    if isinstance(operator, Concat):
        return np.concatenate([values[name] for name in operator.inputs], axis=2)
    if isinstance(operator, Permute):
        return values[operator.inputs[0]][:, :, list(operator.channels)]
    if isinstance(operator, MatMul):
        return requantize_as(_product(operator, *(values[name] for name in operator.inputs)), operator.requantize)
    if isinstance(operator, Host):
        return _host(graph, operator, values)
    raise ModelError(f"{operator.name}: {type(operator).__name__} has no meaning here; lower the graph first")


def accumulate(operator: Conv | Pool, x: NDArray[np.int8]) -> NDArray[np.int64]:
    """The int32 accumulators ``[height, width, channels]`` before requantisation, of int8 ``x``."""
    centred = x.astype(np.float64) - operator.input_zero_point
    if isinstance(operator, Conv):
        return _convolved(operator, centred).astype(np.int64) + operator.bias
    if operator.kind is PoolKind.MAX:
        total = max_pool(centred, operator.kernel, operator.strides, operator.pads)
    elif operator.kind is PoolKind.GLOBAL:
        total = centred.sum(axis=(0, 1), keepdims=True)
    else:
        total = sum_pool(centred, operator.kernel, operator.strides, operator.pads)
    return total.astype(np.int64)


def _convolved(operator: Conv, centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of products ``[height, width, filters]``."""
    weights = operator.weights
    if weights.shape[:3] == centred.shape and not any(operator.pads) and operator.groups == 1:
        # One window. Rows of weights that an activation of zero would multiply are neither converted nor read: the
        # pruned layers that this is for have up to 10^8 of them.
        active = np.flatnonzero(centred)
        values, rows = centred.ravel()[active], weights.reshape(-1, weights.shape[3])
        sums = np.zeros(weights.shape[3])
        for first in range(0, len(active), _ROWS):
            part = slice(first, first + _ROWS)
            sums += values[part] @ rows[active[part]].astype(np.float64)
        return sums.reshape(1, 1, -1)
    return conv2d(
        centred,
        weights.astype(np.float64),
        strides=operator.strides,
        pads=operator.pads,
        dilations=operator.dilations,
        groups=operator.groups,
    )


def _product(operator: MatMul, x: NDArray[np.int8], w: NDArray[np.int8]) -> NDArray[np.int64]:
    """The int32 accumulators ``[1, m, groups * n]``."""
    left = x[0].reshape(x.shape[1], operator.groups, -1).transpose(1, 0, 2).astype(np.float64)
    right = w[0].reshape(w.shape[1], operator.groups, -1).transpose(1, 0, 2).astype(np.float64)
    return (left @ right).astype(np.int64).transpose(1, 0, 2).reshape(1, x.shape[1], w.shape[2])


def _host(graph: Graph, operator: Host, values: Mapping[str, NDArray]) -> NDArray:
    from compiler.evaluate import run_node

    arrays: list[NDArray | None] = []
    for argument in operator.arguments:
        if argument.tensor is None:
            arrays.append(argument.constant)
            continue
        value, quant = values[argument.tensor], graph.tensor(argument.tensor).quant
        if quant is not None and argument.layout is not None:
            value = argument.layout.gather(quant.dequantize(value))
        arrays.append(value)
    result = np.asarray(run_node(operator.node, arrays, graph.opset)[operator.result])
    (name,) = outputs_of(operator)
    tensor = graph.tensor(name)
    if result.size != tensor.size:
        raise ModelError(
            f"node {operator.name!r} ({operator.op_type}): gives {list(result.shape)}, not {list(tensor.shape)}"
        )
    if tensor.quant is None or operator.layout is None:
        return result.reshape(tensor.shape).astype(tensor.dtype)
    return operator.layout.scatter(tensor.quant.quantize(result), tensor.shape)
