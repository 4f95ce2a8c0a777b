"""Recognition of per-channel scaling and shifting, in the many forms that exporters write it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.ir import Graph, Node

__all__ = ["Affine", "affine_of", "channel_axis"]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """``y = scale * x + shift``; ``scale`` and ``shift`` are float64 ``[channels]``, ``x`` is the tensor ``source``."""

    source: str
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]


def channel_axis(graph: Graph, name: str) -> int:
    """The axis of a tensor's channels: the last after a fully connected layer or in a matrix, else axis 1."""
    producer = graph.producer(name)
    rank = len(graph.tensor(name).shape)
    connected = isinstance(producer, Node) and producer.op_type == "FullyConnected"
    return rank - 1 if connected or rank < 3 else 1


def affine_of(graph: Graph, node: Node) -> Affine | None:
    """What ``node`` does to each channel; None if it is not of that kind.

    It is if it is an inference-time ``BatchNormalization``, or an ``Add``, ``Sub``, ``Mul`` or ``Div`` with a constant
    that is the same all over each channel.
    """
    if node.domain != "" or not node.inputs or graph.tensor(node.output).dtype.kind != "f":
        return None
    if node.op_type == "BatchNormalization":
        return _batch_norm(graph, node)
    if node.op_type in ("Add", "Sub", "Mul", "Div") and "clip" not in node.attributes:
        return _arithmetic(graph, node)
    return None


def _batch_norm(graph: Graph, node: Node) -> Affine | None:
    if node.integer("training_mode", 0) or len([o for o in node.outputs if o]) > 1:
        return None
    parameters = [graph.constant(name) for name in node.inputs[1:5]]
    if len(parameters) != 4:
        return None
    gamma, beta, mean, variance = (None if p is None else p.astype(np.float64).reshape(-1) for p in parameters)
    if gamma is None or beta is None or mean is None or variance is None:
        return None
    scale = gamma / np.sqrt(variance + node.real("epsilon", 1e-5))
    return Affine(node.input(0), scale, beta - mean * scale)


def _arithmetic(graph: Graph, node: Node) -> Affine | None:
    left, right = (graph.constant(name) for name in node.inputs[:2])
    if (left is None) == (right is None):
        return None
    source = node.input(1) if left is not None else node.input(0)
    shape, axis = graph.tensor(source).shape, channel_axis(graph, source)
    value = _per_channel(left if left is not None else right, shape, axis)
    if value is None or graph.tensor(node.output).shape != shape:
        return None
    one, zero = np.ones_like(value), np.zeros_like(value)
    match node.op_type:
        case "Add":
            return Affine(source, one, value)
        case "Sub":
            return Affine(source, one, -value) if left is None else Affine(source, -one, value)
        case "Mul":
            return Affine(source, value, zero)
        case _:
            return Affine(source, 1 / value, zero) if left is None and value.all() else None


def _per_channel(value: NDArray | None, shape: tuple[int, ...], axis: int) -> NDArray[np.float64] | None:
    if value is None or not shape or value.ndim > len(shape):
        return None
    value = value.reshape((1,) * (len(shape) - value.ndim) + value.shape).astype(np.float64)
    if value.size not in (1, shape[axis]) or any(n > 1 for a, n in enumerate(value.shape) if a != axis):
        return None
    return np.broadcast_to(value.reshape(-1), (shape[axis],)).copy()
