"""How long it takes from nothing to a simulated network, and how long once everything is in the cache."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Spent", "Turnaround", "process", "turnaround"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a process and its children took."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnaround:
    """``hwsim simulate`` of a model with an empty cache, and again."""

    cold: Spent
    warm: Spent
    cycles: int
    simulated_s: float
    """Of the warm run: between start and interrupt."""
    agrees: bool


def process(arguments: list[str], environment: dict[str, str] | None = None) -> Spent:
    """Run ``hwsim`` with these arguments.

    Raises:
        subprocess.CalledProcessError: it failed.

    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "hwsim.cli.main", *arguments],
        check=True,
        capture_output=True,
        env=os.environ | (environment or {}),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(wall_s=time.perf_counter() - start, cpu_s=cpu)


def turnaround(model: str, arch: str) -> Turnaround:
    """Measure both in a cache of their own."""
    with tempfile.TemporaryDirectory(prefix="hwsim-bench-") as name:
        result = Path(name) / "result.json"
        arguments = ["simulate", model, "--arch", arch, "--json", str(result)]
        environment = {"HWSIM_CACHE": str(Path(name) / "cache")}
        cold = process(arguments, environment)
        warm = process(arguments, environment)
        tree = json.loads(result.read_text())
    return Turnaround(
        cold=cold, warm=warm, cycles=tree["rtl_cycles"], simulated_s=tree["wall_s"], agrees=tree["agrees"]
    )
