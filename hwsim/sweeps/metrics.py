"""The figures of a point: objectives and constraints are on these."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from hwsim.errors import InputError

__all__ = ["METRICS", "Metric", "metric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure."""

    name: str
    title: str
    unit: str
    maximise: bool = False
    """More is better."""
    early: bool = False
    """Known from the settings, before anything is mapped or trained."""

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


_ALL = (
    Metric(name="cycles", title="cycles", unit=""),
    Metric(name="latency_us", title="latency", unit="µs"),
    Metric(name="energy_uj", title="energy", unit="µJ"),
    Metric(name="power_mw", title="power", unit="mW"),
    Metric(name="edp_uj_us", title="energy-delay product", unit="µJ µs"),
    Metric(name="tops_per_watt", title="efficiency", unit="TOPS/W", maximise=True),
    Metric(name="area_mm2", title="area", unit="mm²", early=True),
    Metric(name="dram_bytes", title="DRAM traffic", unit="B"),
    Metric(name="bandwidth_gb_s", title="DRAM bandwidth", unit="GB/s"),
    Metric(name="utilization", title="utilisation", unit="", maximise=True),
    Metric(name="macs_per_cycle", title="peak MACs per cycle", unit="", early=True),
    Metric(name="sram_kib", title="on-chip memory", unit="KiB", early=True),
    Metric(name="weights_kept", title="weights that are not zero", unit=""),
    Metric(name="stored_bytes", title="weights as stored", unit="B"),
    Metric(name="accuracy", title="accuracy", unit="", maximise=True),
)

METRICS: dict[str, Metric] = {entry.name: entry for entry in _ALL}
"""By name."""


def metric(name: str) -> Metric:
    """The figure called ``name``.

    Raises:
        InputError: there is none; the message lists those that there are.

    """
    if name not in METRICS:
        near = difflib.get_close_matches(name, METRICS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(METRICS)}"
        raise InputError(f"objectives: {name!r} is not a figure; {hint}")
    return METRICS[name]
