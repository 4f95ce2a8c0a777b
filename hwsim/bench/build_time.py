"""How long it takes from nothing to a simulated network, and how long once everything is in the cache."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hwsim.bench.measure import Spent, hwsim_process

__all__ = ["Turnaround", "turnaround"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnaround:
    """``hwsim simulate`` of a model with an empty cache, and again."""

    cold: Spent
    warm: Spent
    cycles: int
    simulated_s: float
    """Of the warm run: between start and interrupt."""
    agrees: bool


def turnaround(model: str, arch: str) -> Turnaround:
    """Measure both in a cache of their own."""
    with tempfile.TemporaryDirectory(prefix="hwsim-bench-") as name:
        result = Path(name) / "result.json"
        arguments = ["simulate", model, "--arch", arch, "--json", str(result)]
        environment = {"HWSIM_CACHE": str(Path(name) / "cache")}
        cold = hwsim_process(arguments, environment)
        warm = hwsim_process(arguments, environment)
        tree = json.loads(result.read_text())
    return Turnaround(
        cold=cold, warm=warm, cycles=tree["rtl_cycles"], simulated_s=tree["wall_s"], agrees=tree["agrees"]
    )
