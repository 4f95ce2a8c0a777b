"""An estimate to the figures of a point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwsim.energy.hardware import memories
from hwsim.energy.model import EnergyModel

if TYPE_CHECKING:
    from hwsim.results import Estimate
    from rtl.config import ArchConfig

__all__ = ["early_figures", "figures", "layer_figures"]


def early_figures(config: ArchConfig) -> dict[str, float]:
    """What an architecture says of itself, whatever runs on it.

    Raises:
        InputError: its technology cannot be.

    """
    area = EnergyModel(config).area_mm2()
    found = {
        "macs_per_cycle": float(config.macs_per_cycle),
        "sram_kib": float(sum(memory.kib for memory in memories(config).values())),
    }
    return found | ({"area_mm2": area.total} if area is not None else {})


def figures(estimate: Estimate, config: ArchConfig) -> dict[str, float]:
    """What a network costs. A figure that the technology cannot give is not there."""
    totals = estimate.totals()
    joules = estimate.technology is not None and estimate.technology.energy_unit == "pJ"
    product = totals["energy_delay_pj_us"] if joules else None
    traffic = totals["dram_read_bytes"] + totals["dram_write_bytes"]
    found: dict[str, float | None] = {
        "cycles": totals["cycles"],
        "latency_us": totals["time_us"],
        "energy_uj": totals["energy_pj"] / 1e6 if joules and totals["energy_pj"] is not None else None,
        "power_mw": totals["average_power_mw"],
        "edp_uj_us": product / 1e6 if product is not None else None,
        "tops_per_watt": totals["tops_per_watt"],
        "dram_bytes": traffic,
        # A byte a microsecond is a megabyte a second.
        "bandwidth_gb_s": traffic / totals["time_us"] / 1e3 if totals["time_us"] else None,
        "utilization": totals["utilization"],
    }
    return {name: float(value) for name, value in found.items() if value is not None} | early_figures(config)


def layer_figures(estimate: Estimate) -> list[dict[str, Any]]:
    """Every layer's figures, for whoever looks into a point."""
    return [
        {
            "name": layer.name,
            "op": layer.op,
            "engine": layer.engine,
            "macs": layer.macs,
            "cycles": layer.cycles,
            "utilization": round(layer.utilization, 4),
            "bound": layer.bound,
            "energy_uj": layer.energy_pj.total / 1e6 if layer.energy_pj is not None else None,
            "dram_bytes": layer.dram_read_bytes + layer.dram_write_bytes,
        }
        for layer in estimate.layers
    ]
