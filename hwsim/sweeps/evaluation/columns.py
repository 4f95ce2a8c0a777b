"""Points as columns: all architectures of a task that share a network go through the vectorised model together.

The figures are those of :mod:`hwsim.points`. A point's do not depend on which others are in its task, to the last bit.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from compiler.mapping.points.network import jobs_by_operator
from hwsim.energy.hardware import memories
from hwsim.energy.table import load_table
from hwsim.errors import InputError
from hwsim.points import PointEstimates, Points, estimate_points
from hwsim.sweeps.evaluation.cache import Cache
from hwsim.sweeps.evaluation.environment import environment
from hwsim.sweeps.evaluation.faults import attempt, worker_name
from hwsim.sweeps.evaluation.networks import SweepNetwork, accuracy_of, network_of
from hwsim.sweeps.evaluation.outcome import Outcome, PointTask, Task
from hwsim.sweeps.evaluation.settings import architecture, settings_of
from hwsim.sweeps.metrics import METRICS
from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hwsim.sweeps.evaluation.outcome import State
    from hwsim.sweeps.evaluation.settings import Settings
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["evaluate_columns"]

_DRAM = [index for index, counter in enumerate(COUNTERS) if counter.name in ("dram_read_bytes", "dram_write_bytes")]
_ARCH = "arch."
_SIZES = ("dense.", "memory.", "bus.")
"""What decides how much there is on the chip."""

_Verdict = tuple["State", str, dict[str, float]]
"""State, reason and figures of a point."""


def evaluate_columns(specification: Specification, task: Task, cache: Cache) -> list[Outcome]:
    """Every point of ``task``, in its order. No error of a point's gets out."""
    groups: dict[tuple, list[PointTask]] = {}
    for point in task.points:
        groups.setdefault(_alike(point), []).append(point)
    found: dict[str, Outcome] = {}
    for points in groups.values():
        found |= {outcome.id: outcome for outcome in _group(specification, points, task.fidelity, cache)}
    return [found[point.id] for point in task.points]


def _alike(point: PointTask) -> tuple:
    """What decides a point's network and base, and which settings are its columns: those that have a value."""
    values = point.assignment.items()
    fixed = tuple((name, value) for name, value in values if not name.startswith(_ARCH) or value is None)
    return fixed, tuple(name for name, value in values if name.startswith(_ARCH) and value is not None)


def _group(specification: Specification, points: Sequence[PointTask], fidelity: str, cache: Cache) -> list[Outcome]:
    """Outcomes of points that differ in columns only."""
    begin = time.perf_counter()
    states = attempt(
        points[0].id,
        lambda: _evaluated(specification, points, cache),
        lambda why: [("failed", why, {})] * len(points),
    )
    total = round((time.perf_counter() - begin) / len(points), 9)
    shared: dict[str, Any] = {"fidelity": fidelity, "worker": worker_name(), "environment": environment()}
    return [
        Outcome(id=point.id, state=state, reason=reason, metrics=metrics, timings={"total": total}, **shared)
        for point, (state, reason, metrics) in zip(points, states, strict=True)
    ]


def _evaluated(specification: Specification, points: Sequence[PointTask], cache: Cache) -> list[_Verdict]:
    """Of each point."""
    first = points[0].assignment
    columns = [name for name, value in first.items() if name.startswith(_ARCH) and value is not None]
    settings = settings_of(specification, {n: v for n, v in first.items() if n not in columns})
    network = network_of(settings, cache)
    values = {name.removeprefix(_ARCH): np.array([p.assignment[name] for p in points]) for name in columns}
    base = architecture(specification, {n: v for n, v in first.items() if n not in columns})
    at = Points(base, values or {"clock_mhz": np.full(len(points), base.clock_mhz)})
    found = estimate_points(network.network, at)
    figures = _figures(found, network)
    if specification.asks_for("accuracy"):
        figures["accuracy"] = np.full(len(points), _accuracy(network, settings, cache))
    early = {name: column for name, column in figures.items() if METRICS[name].early}
    states = _states(specification, points, found, early)
    every, some = _rows(figures, len(points)), _rows(early, len(points))
    kept = {"done": every, "excluded": some}
    return [(state, why, kept[state][k] if state in kept else {}) for k, (state, why) in enumerate(states)]


def _states(
    specification: Specification, points: Sequence[PointTask], found: PointEstimates, early: dict[str, NDArray]
) -> list[tuple[State, str]]:
    """What became of each point, and why: refused, taken out by a constraint that is known beforehand, or done."""
    states: list[tuple[State, str]] = [("done", "")] * len(points)
    names = sorted({name for constraint in specification.early for name in constraint.names})
    space = specification.space
    values = {n: space.column([p.assignment for p in points], n) for n in names if n not in METRICS}
    unknown = np.full(len(points), np.nan)
    for constraint in reversed(specification.early):
        met = constraint.mask({**values, **dict.fromkeys(METRICS, unknown), **early}, len(points))
        for index in np.flatnonzero(~met).tolist():
            states[index] = "excluded", f"{constraint.text} does not hold"
    for index, why in found.refused.items():
        states[index] = "failed", " ".join(why.split())
    return states


def _figures(found: PointEstimates, network: SweepNetwork) -> dict[str, NDArray[np.float64]]:
    """``[points]`` by name; NaN where the technology cannot give a figure. As :mod:`.figures` has them of one point."""
    latency_us = found.latency_us
    there = np.where(latency_us > 0, latency_us, np.nan)
    energy_pj = np.where(_in_joules(found), found.energy_pj.sum(axis=1), np.nan)
    traffic = found.events[:, _DRAM].sum(axis=1).astype(np.float64)
    peak, sram_kib = _sizes(found)
    macs = _macs(found, network)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "cycles": found.cycles.astype(np.float64),
            "latency_us": latency_us,
            "energy_uj": energy_pj / 1e6,
            "power_mw": energy_pj / there / 1e3,
            "edp_uj_us": energy_pj * latency_us / 1e6,
            "tops_per_watt": 2 * macs / energy_pj,
            "dram_bytes": traffic,
            "bandwidth_gb_s": traffic / there / 1e3,
            "utilization": macs / (found.cycles * peak),
            "macs_per_cycle": peak,
            "sram_kib": sram_kib,
            "area_mm2": found.area_mm2,
        } | {name: np.full(len(found.points), value) for name, value in network.figures.items()}


def _macs(found: PointEstimates, network: SweepNetwork) -> int:
    """Of the layers that the accelerator runs, whatever its size."""
    for point in range(len(found.points)):
        if point not in found.refused:
            jobs = jobs_by_operator(network.network.graph, found.points.config(point))
            return sum(job.macs for of_one in jobs.values() for job in of_one)
    return 0


def _in_joules(found: PointEstimates) -> NDArray[np.bool_]:
    """``[points]``: there are energies, and they are in pJ and not relative."""
    tables = found.points.column("technology.table").tolist()
    valid = {table for point, table in enumerate(tables) if point not in found.refused}
    joules = {table for table in valid if load_table(table).unit == "pJ"}
    return np.array([table in joules for table in tables], bool)


def _sizes(found: PointEstimates) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``[points]`` each: MACs per cycle, and KiB on the chip; NaN at points that are refused."""
    points = found.points
    peak, sram_kib = np.full(len(points), np.nan), np.full(len(points), np.nan)
    columns = [points.settings[name].tolist() for name in points.settings if name.startswith(_SIZES)]
    kinds: dict[tuple, list[int]] = {}
    for point, kind in enumerate(zip(*columns, strict=True) if columns else [()] * len(points)):
        if point not in found.refused:
            kinds.setdefault(kind, []).append(point)
    for alike in kinds.values():
        config = points.config(alike[0])
        peak[alike] = config.macs_per_cycle
        sram_kib[alike] = sum(memory.kib for memory in memories(config).values())
    return peak, sram_kib


def _accuracy(network: SweepNetwork, settings: Settings, cache: Cache) -> float:
    accuracy = accuracy_of(network, settings, cache)
    if accuracy is None:
        raise InputError(f"{settings.model}: has no test set for its accuracy; data: FILE.npz can bring one")
    return accuracy


def _rows(columns: dict[str, NDArray], count: int) -> list[dict[str, float]]:
    """Columns to one record per point; what is not known is not in it."""
    lists = [(name, column.tolist()) for name, column in columns.items()]
    return [{name: values[k] for name, values in lists if values[k] == values[k]} for k in range(count)]
