"""Whole layers, where the network goes on without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.granularities.base import GRANULARITIES
from compiler.compress.scores.base import Scores, Unit
from compiler.compress.shrink import ZERO_KEEPING
from compiler.compress.units import Members, Units
from compiler.errors import ModelError
from compiler.ir import Graph, Node

if TYPE_CHECKING:
    from compiler.compress.layers import Layer

__all__ = ["WholeLayer"]


@GRANULARITIES.register(
    "layer",
    paper="Wen, Wu, Wang, Chen, Li: Learning Structured Sparsity in Deep Neural Networks, NIPS 2016 (depth-wise)",
)
@dataclass(frozen=True, slots=True)
class WholeLayer:
    """The layers between a residual addition and where its operands part: the other operand stays.

    Of an addition of two such branches, the one of more layers can go. All branches are one pool.
    """

    needs: ClassVar[Unit] = "filter"
    shrinks: ClassVar[bool] = True

    def fixed_sparsity(self) -> float | None:
        """Any."""
        return None

    def units(self, graph: Graph, layers: list[Layer], scores: Scores) -> Units:
        """One unit for each branch, scored by the mean over all its weights or filters.

        Raises:
            ModelError: the network has no residual branch.

        """
        branches = [branch for add in graph.select(Node, "Add") if (branch := _branch(graph, add))]
        by_name = {layer.name: layer for layer in layers}
        score, size, members = [], [], []
        for branch in branches:
            chosen = [by_name[node.name] for node in branch if node.name in by_name]
            judged = [scores[layer.weights].reshape(-1) for layer in chosen if layer.weights in scores]
            if not judged:
                continue
            members += [Members(name, _filled(graph, name, len(score))) for name in _parameters(graph, branch)]
            score.append(float(np.concatenate(judged).mean()))
            size.append(sum(layer.value(graph).size for layer in chosen))
        if not score:
            raise ModelError(f"granularity 'layer': {graph.name!r} has no residual branch that can be left out")
        pool = np.zeros(len(score), np.int64)
        return Units(np.array(score), np.array(size, np.int64), pool, (graph.name,), tuple(members))


def _branch(graph: Graph, add: Node) -> list[Node]:
    """The nodes of the longer operand, if they yield zero when all their parameters are."""
    if any(
        graph.constant(name) is not None or graph.tensor(name).shape != graph.tensor(add.output).shape
        for name in add.inputs
    ):
        return []
    sides = [_alone(graph, name) for name in add.inputs]
    counts = [sum(node.op_type in ("Conv", "FullyConnected") for node in side) for side in sides]
    longer = sides[int(np.argmax(counts))]
    silent = all(node.op_type in ZERO_KEEPING | {"Conv", "FullyConnected", "BatchNormalization"} for node in longer)
    return longer if max(counts) > 0 and silent else []


def _alone(graph: Graph, tensor: str) -> list[Node]:
    """The chain of nodes that ends in ``tensor`` and serves nothing else."""
    chain: list[Node] = []
    while graph.sole_consumer(tensor) is not None and isinstance(node := graph.producer(tensor), Node):
        chain.append(node)
        tensor = node.input(0)
    return chain


def _parameters(graph: Graph, branch: list[Node]) -> list[str]:
    names: list[str] = []
    for node in branch:
        if node.op_type in ("Conv", "FullyConnected", "BatchNormalization"):
            # of a batch norm scale and shift, but not mean and variance
            names += [name for name in node.inputs[1:3] if name and graph.constant(name) is not None]
    return list(dict.fromkeys(names))


def _filled(graph: Graph, name: str, unit: int) -> np.ndarray:
    value = graph.constant(name)
    assert value is not None, "parameters are constants"
    return np.full(value.shape, unit, np.int64)
