"""Supply voltage: what it does to energy, to leakage and to the clock.

    dynamic energy    E(V) = E(V0) (V / V0)^2
    clock             f(V) = f(V0) g(V) / g(V0),   g(V) = (V - Vt)^alpha / V      (Sakurai and Newton, 1990)
    leakage power     P(V) = P(V0) V / V0          the current held constant: a lower bound on what a low voltage saves

DRAM has its own supply, and does not scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.energy.table import Table

__all__ = ["Scaling", "scaling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Factors on what a table says at its own voltage."""

    dynamic: float = 1.0
    leakage: float = 1.0
    clock: float = 1.0


def scaling(table: Table, voltage_v: float | None) -> Scaling:
    """Factors of ``table`` at ``voltage_v``; 1 at the table's own, or without one.

    Raises:
        InputError: the table cannot be scaled, or nothing switches at that voltage.

    """
    if voltage_v is None:
        return Scaling()
    if table.voltage_v is None or table.threshold_v is None or table.alpha is None:
        raise InputError(f"voltage {voltage_v:g} V: the sources of {table.name} give no voltage to scale from")
    nominal, threshold, alpha = table.voltage_v.value, table.threshold_v.value, table.alpha.value
    # Near the threshold the law is no longer one; and above twice the nominal voltage there is no chip.
    low, high = threshold + 0.1, 2 * nominal
    if not low <= voltage_v <= high:
        raise InputError(f"voltage {voltage_v:g} V: {table.name} scales from {low:.2f} to {high:.2f} V")

    def drive(volts: float) -> float:
        return (volts - threshold) ** alpha / volts

    ratio = voltage_v / nominal
    return Scaling(dynamic=ratio**2, leakage=ratio, clock=drive(voltage_v) / drive(nominal))
