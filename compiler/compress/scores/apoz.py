"""How often a filter says anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.compress.scores.base import SCORES, Evidence, Scores, Unit, feature_maps

__all__ = ["Apoz"]


@SCORES.register(
    "apoz",
    paper="Hu, Peng, Tai, Tang: Network Trimming: A Data-Driven Neuron Pruning Approach towards Efficient Deep "
    "Architectures, arXiv:1607.03250, 2016",
)
@dataclass(frozen=True, slots=True)
class Apoz:
    """One minus the average percentage of zeros (APoZ) of a filter's outputs after the activation."""

    unit: ClassVar[Unit] = "filter"

    def __call__(self, evidence: Evidence) -> Scores:
        """From activations."""
        return {name: (maps != 0).mean(axis=(0, 2)) for name, maps in feature_maps(evidence).items()}
