"""The layers that have weights, and one shape for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.ir import Graph, Node
from compiler.passes.fold_batch_norm import filter_axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Layer", "following", "weight_layers"]

LAYERS = ("Conv", "FullyConnected")
POINTWISE = frozenset(
    {"BatchNormalization", "Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh"}
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or fully connected layer of constant weights.

    The *kernel form* of its weights is ``[filters, channels, height, width]``, channels being those of one group; a
    fully connected layer's height and width are 1, a 1-D convolution's height is.
    """

    node: Node
    weights: str
    filter_axis: int

    @property
    def name(self) -> str:
        """Of the operator."""
        return self.node.name

    @property
    def groups(self) -> int:
        """Of a convolution; 1 of a fully connected layer."""
        return self.node.integer("group", 1)

    def kernels(self, w: NDArray) -> NDArray:
        """An array of the weights' shape in kernel form; a view."""
        matrix = w if self.filter_axis == 0 else w.T
        return matrix.reshape(*matrix.shape[:2], *(1,) * (4 - matrix.ndim), *matrix.shape[2:])

    def restore(self, kernels: NDArray) -> NDArray:
        """The inverse of :meth:`kernels`."""
        if self.node.op_type == "FullyConnected":
            matrix = kernels.reshape(kernels.shape[:2])
            return np.ascontiguousarray(matrix if self.filter_axis == 0 else matrix.T)
        rank = 2 + len(self.node.integers("kernel_shape", (0,) * 2))
        return kernels.reshape(*kernels.shape[:2], *kernels.shape[2:][4 - rank :])

    def value(self, graph: Graph) -> NDArray:
        """The weights in kernel form, as ``graph`` has them now."""
        value = graph.constant(self.weights)
        assert value is not None, "a layer's weights are constant"
        return self.kernels(value)


def weight_layers(graph: Graph) -> list[Layer]:
    """The layers of ``graph`` in order; of several that share their weights, the first."""
    found: dict[str, Layer] = {}
    for node in graph.select(Node, *LAYERS):
        value = graph.constant(node.input(1))
        if value is not None and value.dtype.kind == "f" and 2 <= value.ndim <= 4:
            shaped = _with_kernel_shape(node, value.shape[2:])
            found.setdefault(node.input(1), Layer(shaped, node.input(1), filter_axis(node)))
    return list(found.values())


def _with_kernel_shape(node: Node, shape: tuple[int, ...]) -> Node:
    if node.op_type != "Conv" or "kernel_shape" in node.attributes:
        return node
    attributes = {**node.attributes, "kernel_shape": shape}
    return Node(node.name, node.op_type, node.inputs, node.outputs, attributes, node.domain)


def following(graph: Graph, layer: Layer) -> list[Node]:
    """Batch norm and activation after ``layer``, as far as nothing else reads what lies between."""
    chain: list[Node] = []
    tensor = layer.node.output
    while isinstance(reader := graph.sole_consumer(tensor), Node) and reader.op_type in POINTWISE:
        chain.append(reader)
        tensor = reader.output
    return chain
