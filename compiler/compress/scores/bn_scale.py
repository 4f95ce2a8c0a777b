"""How much a batch norm lets through of a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.compress.layers import following
from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit
from compiler.errors import ModelError

__all__ = ["BatchNormScale"]


@SCORES.register(
    "bn-scale",
    paper="Liu, Li, Shen, Huang, Yan, Zhang: Learning Efficient Convolutional Networks through Network Slimming, "
    "ICCV 2017",
)
@dataclass(frozen=True, slots=True)
class BatchNormScale:
    """``|gamma|`` of the batch norm behind a filter; layers without one are not pruned."""

    unit: ClassVar[Unit] = "filter"

    def __call__(self, evidence: Evidence) -> Scores:
        """From the batch norms' scales.

        Raises:
            ModelError: the network has no batch norm.

        """
        scores = {}
        for layer in evidence.layers:
            norm = next((n for n in following(evidence.graph, layer) if n.op_type == "BatchNormalization"), None)
            gamma = None if norm is None else evidence.graph.constant(norm.input(1))
            if gamma is not None:
                scores[layer.weights] = np.abs(gamma)
        if not scores:
            raise ModelError(
                f"score 'bn-scale': {evidence.graph.name!r} has no batch norm behind a layer; use another score"
            )
        return scores
