"""Scores, one per file; importing this package registers them all in :data:`compiler.compress.scores.base.SCORES`."""

from __future__ import annotations

from compiler.compress.scores.apoz import Apoz
from compiler.compress.scores.base import SCORES, Evidence, Score, Scores
from compiler.compress.scores.bn_scale import BatchNormScale
from compiler.compress.scores.discriminant import FisherDiscriminant, IntraclassCorrelation
from compiler.compress.scores.energy import MagnitudePerEnergy
from compiler.compress.scores.entropy import FeatureEntropy
from compiler.compress.scores.magnitude import Magnitude
from compiler.compress.scores.obd import OptimalBrainDamage
from compiler.compress.scores.obs import OptimalBrainSurgeon
from compiler.compress.scores.random import RandomSelection
from compiler.compress.scores.taylor import Taylor

__all__ = [
    "SCORES",
    "Apoz",
    "BatchNormScale",
    "Evidence",
    "FeatureEntropy",
    "FisherDiscriminant",
    "IntraclassCorrelation",
    "Magnitude",
    "MagnitudePerEnergy",
    "OptimalBrainDamage",
    "OptimalBrainSurgeon",
    "RandomSelection",
    "Score",
    "Scores",
    "Taylor",
]
