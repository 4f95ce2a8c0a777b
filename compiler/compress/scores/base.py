"""What a score is: how much each weight, or each filter, is worth keeping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np

from compiler.compress.layers import Layer, following, weight_layers
from compiler.compress.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.masks import Masks
    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["SCORES", "Evidence", "Score", "Scores", "Unit", "feature_maps"]

Unit = Literal["weight", "filter"]
Scores = Mapping[str, "NDArray[np.floating]"]
"""By the name of a layer's weights: kernel form ``[filters, channels, height, width]``, or ``[filters]``.

A layer without an entry cannot be judged by this score, and is not pruned.
"""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evidence:
    """What a score may look at. ``samples`` is how many training samples it may ask the trainer about."""

    graph: Graph
    trainer: Trainer
    samples: int = 256
    seed: int = 0
    energy_pj: Mapping[str, float] = field(default_factory=dict)
    """What one weight of a layer costs, by the name of the layer's weights; from the energy model of the target."""
    choose: Callable[[Scores], Masks] | None = None
    """The masks that scores would lead to."""

    @property
    def layers(self) -> list[Layer]:
        """The layers that have weights."""
        return weight_layers(self.graph)


class Score(Protocol):
    """A registered score: a frozen dataclass whose fields are its settings. Higher is kept longer."""

    unit: ClassVar[Unit]
    """Whether it tells single weights apart, or whole filters only."""

    def __call__(self, evidence: Evidence) -> Scores:
        """Judge every layer."""
        ...


SCORES: Registry[type[Score]] = Registry("score")


def feature_maps(evidence: Evidence) -> dict[str, NDArray]:
    """What each layer hands on, after batch norm and activation: ``[n, filters, positions]`` by its weights' name."""
    graph = evidence.graph
    tensors = {}
    for layer in evidence.layers:
        chain = following(graph, layer)
        tensors[layer.weights] = chain[-1].output if chain else layer.node.output
    found = evidence.trainer.activations(graph, evidence.samples, list(dict.fromkeys(tensors.values())))
    maps = {}
    for layer in evidence.layers:
        value = found[tensors[layer.weights]]
        if layer.node.op_type == "FullyConnected":
            value = np.moveaxis(value, -1, 1)
        maps[layer.weights] = value.reshape(*value.shape[:2], -1)
    return maps
