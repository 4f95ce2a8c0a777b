"""Schedules, one per file; importing this package registers them all in ``SCHEDULES``."""

from __future__ import annotations

from compiler.compress.schedules.base import SCHEDULES, Job, Schedule, Stage
from compiler.compress.schedules.gradual import Gradual
from compiler.compress.schedules.hard_threshold import IterativeHardThresholding
from compiler.compress.schedules.iterative import Iterative
from compiler.compress.schedules.one_shot import OneShot
from compiler.compress.schedules.regularised import GroupLasso, NetworkSlimming
from compiler.compress.schedules.rewind import Rewind
from compiler.compress.schedules.soft import SoftPruning
from compiler.compress.schedules.splice import PruneAndSplice

__all__ = [
    "SCHEDULES",
    "Gradual",
    "GroupLasso",
    "Iterative",
    "IterativeHardThresholding",
    "Job",
    "NetworkSlimming",
    "OneShot",
    "PruneAndSplice",
    "Rewind",
    "Schedule",
    "SoftPruning",
    "Stage",
]
