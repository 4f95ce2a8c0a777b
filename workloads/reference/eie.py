"""EIE: Efficient Inference Engine on Compressed Deep Neural Network (Han et al., ISCA 2016), tables I to V."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workloads.reference.table import Fact, Sourced, Table, column, columns, optional

__all__ = [
    "BENCHMARKS",
    "LAYERS",
    "MODULES",
    "OPERATION_ENERGY",
    "PLATFORMS",
    "SCALARS",
    "WALL_CLOCK",
    "Benchmark",
    "Module",
    "OperationEnergy",
    "PlatformMetric",
    "WallClock",
]

LAYERS = ("Alex-6", "Alex-7", "Alex-8", "VGG-6", "VGG-7", "VGG-8", "NT-We", "NT-Wd", "NT-LSTM")

_PLATFORMS = (
    "Core-i7 5930K",
    "GeForce Titan X",
    "Tegra K1",
    "A-Eye",
    "DaDianNao",
    "TrueNorth",
    "EIE 64PE 45nm",
    "EIE 256PE 28nm (projected)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnergy(Sourced):
    """Table I: energy of an operation at 45 nm, and relative to a 32-bit integer addition."""

    operation: str = column("operation", str)
    energy_pj: float = column("energy_pJ", float)
    relative: float = column("relative", float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module(Sourced):
    """Table II: one processing element, by kind of cell (``component``) and by function (``module``)."""

    kind: str = column("kind", str)
    item: str = column("item", str)
    power_mw: float | None = column("power_mW", optional(float))
    power_pct: float | None = column("power_pct", optional(float))
    area_um2: float | None = column("area_um2", optional(float))
    area_pct: float | None = column("area_pct", optional(float))


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark(Sourced):
    """Table III: a fully connected layer, its weights and input activations that are not zero, and the work left."""

    layer: str = column("layer", str)
    network: str = column("network", str)
    inputs: int = column("input", int)
    outputs: int = column("output", int)
    weight_pct: float = column("weight_pct", float)
    act_pct: float = column("act_pct", float)
    flop_pct: float = column("flop_pct", float)


@dataclass(frozen=True, slots=True, kw_only=True)
class WallClock(Sourced):
    """Table IV: microseconds a frame for each of :data:`LAYERS`."""

    platform: str = column("platform", str)
    batch: int = column("batch", int)
    matrix: str = column("matrix", str)
    """``dense`` or ``sparse``; of EIE, ``theoretical`` or ``actual``."""
    time_us: Mapping[str, float] = columns(LAYERS, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformMetric(Sourced):
    """Table V: one metric of eight platforms, as printed; empty where the paper has none."""

    metric: str = column("metric", str)
    values: Mapping[str, str] = columns(_PLATFORMS, str)


OPERATION_ENERGY = Table(file="eie_table1_energy45nm.csv", row=OperationEnergy, title="EIE Table I, energy at 45 nm")
MODULES = Table(file="eie_table2_pe_power_area.csv", row=Module, title="EIE Table II, power and area of a PE")
BENCHMARKS = Table(file="eie_table3_benchmarks.csv", row=Benchmark, title="EIE Table III, benchmark layers")
WALL_CLOCK = Table(file="eie_table4_wallclock_us.csv", row=WallClock, title="EIE Table IV, time a frame")
PLATFORMS = Table(file="eie_table5_platforms.csv", row=PlatformMetric, title="EIE Table V, platforms")
SCALARS = Table(file="eie_scalars.csv", row=Fact, title="EIE, figures in the text")
