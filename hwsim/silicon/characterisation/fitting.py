"""Energies of events that never come alone: a fit to what a netlist takes over stretches of cycles.

    E = cycles × idle + Σ events × energy of one

Idle is measured. The others are the least squares that are not negative, relative to each stretch's energy, so that all
count alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.silicon.characterisation.specimen import Specimen
    from hwsim.silicon.switching.power import Energy
    from rtl.config import ArchConfig

__all__ = ["Event", "EventEnergies", "Observation", "fit_events"]


@dataclass(frozen=True, slots=True)
class Event:
    """Energy of one event, in pJ."""

    logic: float
    register: float
    """Flip-flops, and their clock where it is gated."""

    @property
    def total(self) -> float:
        """Both."""
        return self.logic + self.register


@dataclass(frozen=True, slots=True)
class Observation:
    """A stretch of cycles in the netlist."""

    what: str
    """As a table's source names it."""
    counts: tuple[int, ...]
    """Of each kind of event."""
    cycles: int
    measured: Energy
    """Per cycle, glitches included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEnergies:
    """What the events of a netlist take, by some observations, and how far that carries, by others."""

    config: ArchConfig
    specimen: Specimen
    idle: Energy
    """Per cycle."""
    events: dict[str, Event]
    """By name, in the order of every ``counts``."""
    fitted: tuple[Observation, ...]
    held_out: tuple[Observation, ...]

    def predicted(self, seen: Observation) -> float:
        """Energy of a cycle of ``seen`` by the events that it has, in pJ."""
        counted = sum(n * event.total for event, n in zip(self.events.values(), seen.counts, strict=True))
        return self.idle.total + counted / seen.cycles

    def error(self, seen: Sequence[Observation]) -> float:
        """The largest, as a share of what was measured."""
        return max(abs(self.predicted(s) / s.measured.total - 1) for s in seen)


def fit_events(names: Sequence[str], seen: Sequence[Observation], idle: Energy) -> dict[str, Event]:
    """Energy of each kind of event, by its name; ``names`` in the order of every ``counts``."""
    counts = np.array([np.divide(s.counts, s.cycles) for s in seen])
    scale = np.array([1 / s.measured.total for s in seen])

    def parts(above: list[float]) -> list[float]:
        return nnls(counts * scale[:, None], np.array(above) * scale)[0].tolist()

    logic = parts([s.measured.logic - idle.logic for s in seen])
    register = parts([s.measured.register + s.measured.clock - idle.register - idle.clock for s in seen])
    return {name: Event(a, b) for name, a, b in zip(names, logic, register, strict=True)}
