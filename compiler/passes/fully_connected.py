"""One way to write a fully connected layer."""

from __future__ import annotations

import numpy as np

from compiler.ir import Graph, Node

__all__ = ["FormFullyConnected"]


class FormFullyConnected:
    """``MatMul`` by a matrix of weights, and ``Gemm``, become ``FullyConnected``; an ``Add`` of a vector its bias.

    Weights are a constant, or a constant behind ``DequantizeLinear``. Left alone: a product of two activations, a
    ``Gemm`` that scales or transposes its input, a bias that is not a vector, a product that something else reads too.
    """

    name = "form-fully-connected"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for node in graph.walk(Node, "MatMul", "Gemm"):
            formed = self._from_matmul(graph, node) if node.op_type == "MatMul" else self._from_gemm(graph, node)
            if formed is not None:
                graph.replace(node.name, formed)
                changed = True
        for node in graph.walk(Node, "Add"):
            changed |= self._absorb_bias(graph, node)
        return changed

    def _from_matmul(self, graph: Graph, node: Node) -> Node | None:
        if not is_weights(graph, node.input(1)) or len(graph.tensor(node.input(1)).shape) != 2:
            return None
        return Node(node.name, "FullyConnected", node.inputs, node.outputs, {}, "hwsim")

    def _from_gemm(self, graph: Graph, node: Node) -> Node | None:
        if not is_weights(graph, node.input(1)) or node.integer("transA", 0):
            return None
        if node.real("alpha", 1.0) != 1.0 or (node.input(2) and node.real("beta", 1.0) != 1.0):
            return None
        features = graph.tensor(node.output).shape[-1]
        inputs = node.inputs[:2]
        if node.input(2):
            if graph.tensor(node.input(2)).size != features or not is_weights(graph, node.input(2)):
                return None
            inputs = (*inputs, self._vector(graph, node.input(2), features))
        attributes = {"transB": 1} if node.integer("transB", 0) else {}
        return Node(node.name, "FullyConnected", inputs, node.outputs, attributes, "hwsim")

    def _absorb_bias(self, graph: Graph, add: Node) -> bool:
        for product, bias in (add.inputs, add.inputs[::-1]):
            layer = graph.producer(product)
            if (
                not isinstance(layer, Node)
                or layer.op_type != "FullyConnected"
                or layer.input(2)
                or layer.clip() != FREE
            ):
                continue
            shape = graph.tensor(product).shape
            if graph.sole_consumer(product) is not add or not is_weights(graph, bias):
                continue
            if graph.tensor(bias).size != shape[-1] or graph.tensor(add.output).shape != shape:
                continue
            if graph.tensor(bias).shape[-1:] != shape[-1:]:
                continue
            vector = self._vector(graph, bias, shape[-1])
            graph.remove(layer.name)
            fused = Node(layer.name, layer.op_type, (*layer.inputs[:2], vector), add.outputs, layer.attributes, "hwsim")
            graph.replace(add.name, fused)
            return True
        return False

    def _vector(self, graph: Graph, name: str, features: int) -> str:
        """``name``, or the same constant as ``[features]``; a hidden integer bias keeps its shape."""
        value = graph.constant(name)
        if value is None or value.shape == (features,):
            return name
        return graph.add_constant(f"{name}/vector", value.reshape(features))


FREE = (-np.inf, np.inf)


def is_weights(graph: Graph, name: str) -> bool:
    """Whether a tensor is constant, at most dequantised."""
    if graph.constant(name) is not None:
        return True
    producer = graph.producer(name)
    if not isinstance(producer, Node) or producer.op_type != "DequantizeLinear":
        return False
    return all(graph.constant(name) is not None for name in producer.inputs if name)
