"""Steps 2 to 4 on one target: remove by magnitude, restore by output error, refit by least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.linear_problem import Problem, problem
from compiler.compress.masks import Masks
from compiler.compress.rows import layer_inputs, output_rows, weight_matrix, weights_of_matrix
from hwsim.codesign.restoration import largest, restore_channels, restore_elements
from hwsim.codesign.targets import ChannelTarget, ElementTarget, Reader, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["Candidate", "Fit", "Local"]

MOST_ROWS = 1 << 14
"""Rows of a problem: windows beyond it are drawn evenly."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One target with ``kept`` units; its weights as they were."""

    kept: int
    masks: Masks
    left: tuple[NDArray[np.bool_], ...]
    """Of each reader's weights ``[d, f]``, those that are left."""
    removed_error: float
    """What magnitude alone would lose, of the readers' outputs, 0..1."""
    restored_error: float
    """What is lost after restoration."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """What the readers of a candidate become."""

    weights: dict[str, NDArray]
    """The new values of their constants."""
    error: float
    """What is lost after the least-squares fit."""


class Local:
    """The local problems of one target in a network whose layers before it may be pruned already."""

    def __init__(
        self, target: Target, graph: Graph, reference: Graph, masks: Masks, trainer: Trainer, samples: int
    ) -> None:
        self._target, self._graph, self._masks = target, graph, masks
        readers = target.readers
        now = trainer.activations(graph, samples, [r.layer.node.input(0) for r in readers])
        then = trainer.activations(reference, samples, [r.layer.node.output for r in readers])
        self._outputs = [_alive_outputs(reader, graph, masks) for reader in readers]
        self._problems = [
            _problem(reader, graph, now[reader.layer.node.input(0)], then[reader.layer.node.output], alive)
            for reader, alive in zip(readers, self._outputs, strict=True)
        ]
        self.count = self._count()

    def _count(self) -> int:
        """How many units there are to keep at most."""
        if isinstance(self._target, ChannelTarget):
            return int(self._target.present(self._masks).sum())
        return int(self._target.present(self._graph, self._masks).sum())

    def candidate(self, count: int) -> Candidate:
        """The target with ``count`` units left."""
        target = self._target
        return self._channels(target, count) if isinstance(target, ChannelTarget) else self._elements(target, count)

    def _channels(self, target: ChannelTarget, count: int) -> Candidate:
        present = target.present(self._masks)
        scores = np.where(present, target.magnitudes(self._graph), -np.inf)
        by_magnitude = largest(scores, count)
        pairs = [(p, reader.channels) for p, reader in zip(self._problems, target.readers, strict=True)]
        kept = restore_channels(pairs, scores, count)
        left = self._left(kept)
        return Candidate(
            kept=count,
            masks=target.prune(self._graph, self._masks, kept),
            left=left,
            removed_error=self._loss(self._left(by_magnitude)),
            restored_error=self._loss(left),
        )

    def _elements(self, target: ElementTarget, count: int) -> Candidate:
        (task,) = self._problems
        layer = target.layer
        (alive,) = self._outputs
        everywhere = weight_matrix(layer.kernels(target.present(self._graph, self._masks)))
        present = everywhere[:, alive]
        by_magnitude = largest(np.where(present, np.abs(task.weights), -np.inf), count)
        kept = restore_elements(task, present, count)
        spread = np.zeros(everywhere.shape, bool)
        spread[:, alive] = kept
        mask = layer.restore(spread.T.reshape(layer.value(self._graph).shape))
        return Candidate(
            kept=count,
            masks=self._masks & Masks({layer.weights: np.ascontiguousarray(mask)}),
            left=(kept,),
            removed_error=self._loss((by_magnitude,)),
            restored_error=self._loss((kept,)),
        )

    def fit(self, candidate: Candidate) -> Fit:
        """Step 4 on the candidate that was chosen."""
        fitted = [p.solve(left) for p, left in zip(self._problems, candidate.left, strict=True)]
        error = self._mean([p.error(w) for p, w in zip(self._problems, fitted, strict=True)])
        return Fit(weights=self._constants(fitted), error=error)

    def _left(self, kept: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], ...]:
        """The weights ``[d, f]`` of each reader that are left with channels ``kept``, less those pruned before."""
        found = []
        for reader, task, alive in zip(self._target.readers, self._problems, self._outputs, strict=True):
            inputs = (reader.channels < 0) | kept[reader.channels]
            left = np.repeat(inputs[:, None], task.weights.shape[1], axis=1)
            if reader.layer.weights in self._masks:
                left &= weight_matrix(reader.layer.kernels(self._masks[reader.layer.weights]))[:, alive]
            found.append(left)
        return tuple(found)

    def _loss(self, left: tuple[NDArray[np.bool_], ...]) -> float:
        """Of the weights as they are, with only these."""
        return self._mean([p.error(np.where(w, p.weights, 0.0)) for p, w in zip(self._problems, left, strict=True)])

    @staticmethod
    def _mean(errors: list[float]) -> float:
        return float(np.mean(errors))

    def _constants(self, fitted: list[NDArray[np.float64]]) -> dict[str, NDArray]:
        """The readers' weights and biases; filters that were pruned before stay so."""
        found: dict[str, NDArray] = {}
        parts = zip(self._problems, fitted, self._target.readers, self._outputs, strict=True)
        for task, weights, reader, alive in parts:
            layer = reader.layer
            old, bias = self._graph.constant(layer.weights), self._graph.constant(layer.node.input(2))
            assert old is not None, "a layer's weights are constant"
            matrix = np.zeros((len(weights), alive.size))
            matrix[:, alive] = weights
            found[layer.weights] = weights_of_matrix(layer, matrix, old)
            if bias is not None:
                vector = np.zeros(alive.size)
                vector[alive] = task.bias(weights)
                found[layer.node.input(2)] = vector.astype(bias.dtype).reshape(bias.shape)
        return found


def _alive_outputs(reader: Reader, graph: Graph, masks: Masks) -> NDArray[np.bool_]:
    """``[f]``: the filters of a layer that no target has pruned: only their outputs count."""
    layer = reader.layer
    if layer.weights not in masks:
        return np.ones(len(layer.value(graph)), bool)
    return np.asarray(weight_matrix(layer.kernels(masks[layer.weights])).any(axis=0))


def _problem(reader: Reader, graph: Graph, x: NDArray, y: NDArray, alive: NDArray[np.bool_]) -> Problem:
    layer = reader.layer
    (left,), right = layer_inputs(graph, layer, x), output_rows(layer, y)
    if len(left) > MOST_ROWS:
        chosen = np.random.default_rng(0).permutation(len(left))[:MOST_ROWS]
        left, right = left[chosen], right[chosen]
    weights = weight_matrix(layer.value(graph))[:, alive]
    return problem(left, right[:, alive], weights, centred=bool(layer.node.input(2)))
