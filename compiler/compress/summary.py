"""What has become of each layer's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.layers import weight_layers

if TYPE_CHECKING:
    from compiler.compress.state import State

__all__ = ["LayerSummary", "layer_summaries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSummary:
    """A layer as it is stored."""

    name: str
    op: str
    shape: tuple[int, ...]
    """Of the weights, as the model has them."""
    weights: int
    """Elements of that shape."""
    kept: int
    """Those that are not zero."""
    format: str
    bits: int
    """Of a weight, in its format."""
    values: int
    """How many different weights occur, zero included."""

    @property
    def density(self) -> float:
        """Share of weights that are kept, 0..1."""
        return self.kept / self.weights if self.weights else 0.0


def layer_summaries(state: State) -> tuple[LayerSummary, ...]:
    """Every layer, in order."""
    codes = state.codes()
    summaries = []
    for layer in weight_layers(state.graph):
        stored = codes.get(layer.weights)
        value = state.graph.constant(layer.weights) if stored is None else stored.real
        assert value is not None, "a layer's weights are constant"
        summaries.append(
            LayerSummary(
                name=layer.name,
                op=layer.node.op_type,
                shape=value.shape,
                weights=value.size,
                kept=int(np.count_nonzero(value)),
                format="float" if stored is None else stored.format.name,
                bits=32 if stored is None else stored.format.bits,
                values=int(np.unique(value).size),
            )
        )
    return tuple(summaries)
