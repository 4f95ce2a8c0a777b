"""Energies of events that never come alone: a fit to what a netlist takes over stretches of cycles.

    E = cycles × idle + Σ events × energy of one

Idle is measured. The others are the least squares that are not negative, relative to each stretch's energy, so that all
count alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.optimize import nnls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hwsim.silicon.power import Energy

__all__ = ["Event", "Seen", "fit_events", "predicted"]


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


class Seen(Protocol):
    """A stretch of cycles in the netlist."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Of each kind of event."""
        ...

    @property
    def cycles(self) -> int:
        """How many."""
        ...

    @property
    def measured(self) -> Energy:
        """Per cycle, glitches included."""
        ...


def fit_events(names: Sequence[str], seen: Sequence[Seen], idle: Energy) -> dict[str, Event]:
    """Energy of each kind of event, by its name; ``names`` in the order of every ``counts``."""
    counts = np.array([np.divide(s.counts, s.cycles) for s in seen])
    scale = np.array([1 / s.measured.total for s in seen])

    def parts(above: list[float]) -> list[float]:
        return nnls(counts * scale[:, None], np.array(above) * scale)[0].tolist()

    logic = parts([s.measured.logic - idle.logic for s in seen])
    register = parts([s.measured.register + s.measured.clock - idle.register - idle.clock for s in seen])
    return {name: Event(a, b) for name, a, b in zip(names, logic, register, strict=True)}


def predicted(names: Sequence[str], events: Mapping[str, Event], idle: Energy, seen: Seen) -> float:
    """Energy of a cycle of ``seen`` by the events that it has, in pJ."""
    counted = sum(n * events[name].total for name, n in zip(names, seen.counts, strict=True))
    return idle.total + counted / seen.cycles
