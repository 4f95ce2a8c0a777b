"""Sweeps for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwsim.sweeps.specification.load import make_specification
from hwsim.sweeps.specification.specification import Specification

OBJECTIVES = ["latency_us", "energy_uj", "area_mm2"]


def specification(**given: Any) -> Specification:
    """A sweep of the smaller digits network on small arrays, but for what is given."""
    tree = {
        "name": "sample",
        "models": ["digits-mlp"],
        "arch": "dense-8x8",
        "space": {"arch.dense.rows": [8, 16], "arch.dense.cols": [8, 16]},
        "objectives": OBJECTIVES,
        "recheck": 0,
    }
    return make_specification(tree | given, Path(), "sample")
