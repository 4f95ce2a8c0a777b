"""A matrix as the product of two thinner ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.compress.layers import Layer
from compiler.compress.low_rank.base import FACTORISATIONS, check_target, intermediate, rank_of
from compiler.ir import Graph, Node

__all__ = ["SingularValues"]


@FACTORISATIONS.register(
    "svd",
    paper="Denton, Zaremba, Bruna, LeCun, Fergus: Exploiting Linear Structure Within Convolutional Networks for "
    "Efficient Evaluation, NIPS 2014",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class SingularValues:
    """A fully connected layer ``W`` becomes two, ``(U sqrt(S)) (sqrt(S) V^T)``, of the rank that keeps ``energy``."""

    energy: float | None = None
    rank: int | None = None

    def __post_init__(self) -> None:
        check_target("svd", self.energy, self.rank)

    def applies(self, layer: Layer, graph: Graph) -> bool:
        """To fully connected layers."""
        del graph
        return layer.node.op_type == "FullyConnected"

    def rewrite(self, graph: Graph, layer: Layer) -> tuple[int, int]:
        """Two layers where there was one, unless they have as many weights."""
        matrix = layer.value(graph)[:, :, 0, 0].astype(np.float64)
        left, singular, right = np.linalg.svd(matrix, full_matrices=False)
        rank = rank_of(singular, self.energy, self.rank)
        size = rank * sum(matrix.shape)
        if size >= matrix.size:
            return matrix.size, matrix.size
        root = np.sqrt(singular[:rank])
        node = layer.node
        first = graph.add_constant(f"{layer.weights}/right", (root[:, None] * right[:rank]).astype(np.float32))
        second = graph.add_constant(f"{layer.weights}/left", (left[:, :rank] * root).astype(np.float32))
        between = intermediate(graph, f"{node.name}/rank", (*graph.tensor(node.output).shape[:-1], rank))
        attributes = {"transB": 1}
        inner = Node(between, node.op_type, (node.input(0), first), (between,), attributes, node.domain)
        graph.insert_before(node.name, inner)
        outer = Node(
            node.name, node.op_type, (between, second, *node.inputs[2:]), node.outputs, attributes, node.domain
        )
        graph.replace(node.name, outer)
        return matrix.size, size
