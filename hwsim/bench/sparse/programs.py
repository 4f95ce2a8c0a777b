"""EIE's nine layers as the programs that they compile to on ``eie-64``: by the cycle model, and in RTL."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from hwsim.api import estimate, simulate
from workloads import eie

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hwsim.results import Estimate, Simulation

__all__ = ["ARCH", "Timed", "by_cycle_model", "in_rtl", "predicted", "simulated"]

Result = TypeVar("Result")

ARCH = "eie-64"
_PROCESSES = 2
"""Those of the machine that the limits are stated for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timed(Generic[Result]):
    """What came of each layer, by its workload's name, and how long all of them took together."""

    results: Mapping[str, Result]
    wall_s: float


def predicted(name: str) -> Estimate:
    """The layer ``name`` at ``cycle`` fidelity, rows interleaved as they come."""
    return estimate(name, ARCH, rows="interleaved")


def simulated(name: str) -> Simulation:
    """The layer ``name`` in RTL, rows interleaved as they come."""
    return simulate(name, ARCH, rows="interleaved")


def by_cycle_model() -> Timed[Estimate]:
    """All nine at ``cycle`` fidelity; processes that have yet to import everything are part of the time."""
    return _all(predicted)


def in_rtl() -> Timed[Simulation]:
    """All nine in RTL, once the simulator has been built: that is not part of the time."""
    simulated(min(eie.layers(), key=_weights))
    return _all(simulated)


def _all(run: Callable[[str], Result]) -> Timed[Result]:
    start = time.perf_counter()
    # The largest first, so that no process is left alone with one.
    names = sorted(eie.layers(), key=_weights, reverse=True)
    with ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
        found = dict(zip(names, pool.map(run, names), strict=True))
    return Timed(results={name: found[name] for name in eie.layers()}, wall_s=time.perf_counter() - start)


def _weights(name: str) -> int:
    row = eie.layers()[name]
    return row.inputs * row.outputs
