"""Which constants of a graph are trained, and which follow the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.ir import Graph, Node

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["batch_norm_gains", "decayed", "statistics", "trained"]

_OPERANDS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "FullyConnected": (1, 2),
    "Gemm": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
}
"""Operands of each operator that are trained, where they are constant."""

_LINEAR = frozenset({"Conv", "ConvTranspose", "FullyConnected", "Gemm", "MatMul"})


def trained(graph: Graph) -> tuple[str, ...]:
    """The float constants that training changes, each once, in the order in which the network uses them.

    They are the weights and biases of layers, an ``Add`` right after a layer among them, and the scale and shift of
    normalisations. Constants that scale or shift for another reason (an input's mean, a clip's bounds) stay.
    """
    return tuple(dict.fromkeys(_trained(graph)))


def _trained(graph: Graph) -> Iterator[str]:
    for node in graph.select(Node):
        for index in _OPERANDS.get(node.op_type, ()):
            if _is_float(graph, node.input(index)):
                yield node.input(index)
        if node.op_type == "Add":
            yield from _bias(graph, node)


def _bias(graph: Graph, add: Node) -> Iterator[str]:
    for source, name in (add.inputs, add.inputs[::-1]):
        layer = graph.producer(source)
        if isinstance(layer, Node) and layer.op_type in _LINEAR and _is_float(graph, name):
            yield name


def _is_float(graph: Graph, name: str) -> bool:
    value = graph.constant(name) if name else None
    return value is not None and value.dtype.kind == "f"


def statistics(graph: Graph) -> tuple[str, ...]:
    """The running mean and variance of every batch norm."""
    found = [node.input(index) for node in graph.select(Node, "BatchNormalization") for index in (3, 4)]
    return tuple(dict.fromkeys(name for name in found if _is_float(graph, name)))


def batch_norm_gains(graph: Graph) -> tuple[str, ...]:
    """The scale of every batch norm: what network slimming makes sparse."""
    return tuple(dict.fromkeys(node.input(1) for node in graph.select(Node, "BatchNormalization")))


def decayed(graph: Graph, name: str) -> bool:
    """Whether weight decay shrinks a constant: matrices and kernels only, never biases or normalisations."""
    value = graph.constant(name)
    return value is not None and value.ndim > 1
