"""What goes to a worker, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from hwsim.sweeps.space.grid import Assignment

__all__ = ["Outcome", "PointFidelity", "PointTask", "State", "Task"]

PointFidelity = Literal["vectorised", "analytic", "cycle", "rtl"]
"""``vectorised``: by :mod:`hwsim.points`, all points of a task together. ``rtl``: the generated Verilog runs the
network, and is held against the cycle model."""

State = Literal["done", "failed", "excluded"]
"""``excluded``: an early constraint does not hold, so nothing else was looked at."""


@dataclass(frozen=True, slots=True)
class PointTask:
    """A point to evaluate."""

    id: str
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Task:
    """Points that go to a worker together. It holds all that the worker needs."""

    specification: str
    """As :meth:`hwsim.sweeps.specification.specification.Specification.to_json` writes it."""
    points: tuple[PointTask, ...]
    fidelity: PointFidelity
    cache: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a point at one fidelity."""

    id: str
    fidelity: str
    state: State
    reason: str = ""
    """Why it failed, or which constraint took it out."""
    metrics: dict[str, float] = field(default_factory=dict)
    """By the names of :data:`hwsim.sweeps.metrics.METRICS`."""
    layers: list[dict[str, Any]] | None = None
    """Figures of every layer; None where they were not kept."""
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds, by what they were spent on."""
    worker: str = ""
    environment: str = ""
    """Versions of what computed it, as JSON."""
