"""How much of the array's peak is reached, and what takes the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import hwsim
from hwsim.scalesim import Dataflow, Product, array_cycles, scalesim_cycles
from rtl.config import ArchConfig, DenseConfig, MemoryConfig, load_arch
from workloads.reference.accelerators import GEMMINI_GEMM, SCALESIM_ORACLE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["GemmRow", "NetworkRow", "ScaleSimRow", "gemmini", "network", "scalesim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRow:
    """A network on an architecture."""

    model: str
    arch: str
    cycles: int
    utilisation: float
    bounds: dict[str, float]
    """Share of the cycles in layers that each thing binds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmRow:
    """A matrix product on our 16 x 16 array and on Gemmini's."""

    m: int
    k: int
    n: int
    ideal_cycles: int
    """One MAC a PE and cycle."""
    cycles: int
    utilisation: float
    gemmini_cycles: int
    gemmini_utilisation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSimRow:
    """All layers of a network: SCALE-Sim's cycles and ours, for one dataflow and array."""

    net: str
    array: int
    dataflow: str
    scalesim: int
    ours: int
    slower: int
    """Layers in which ours takes more."""


def network(model: str, arch: str) -> NetworkRow:
    """By the cycle model."""
    result = hwsim.estimate(model, load_arch(arch))
    bounds: dict[str, float] = {}
    for layer in result.layers:
        bounds[layer.bound] = bounds.get(layer.bound, 0.0) + layer.cycles / result.cycles
    return NetworkRow(
        model=result.model, arch=arch, cycles=result.cycles, utilisation=result.utilization, bounds=bounds
    )


def gemmini() -> Iterator[GemmRow]:
    """The rows of Gemmini's table."""
    for row in GEMMINI_GEMM.rows():
        ours = network(f"gemm-{row.m}x{row.k}x{row.n}", "dense-16x16")
        yield GemmRow(
            m=row.m, k=row.k, n=row.n, ideal_cycles=row.ideal_cycles, cycles=ours.cycles, utilisation=ours.utilisation,
            gemmini_cycles=row.rtl_cycles, gemmini_utilisation=row.utilisation_pct / 100,
        )  # fmt: skip


def scalesim() -> Iterator[ScaleSimRow]:
    """AlexNet and ResNet-50 on 8 x 8 to 64 x 64."""
    flows: tuple[tuple[Dataflow, Literal["weight_stationary", "output_stationary"]], ...] = (
        ("ws", "weight_stationary"),
        ("os", "output_stationary"),
    )
    known: dict[tuple[Product, ArchConfig], int] = {}
    for net in ("alexnet", "resnet50"):
        for size in (8, 16, 32, 64):
            for dataflow, ours in flows:
                config = ArchConfig(
                    dense=DenseConfig(rows=size, cols=size, dataflow=ours, depthwise_taps=0),
                    memory=MemoryConfig(accumulators=4096),
                )
                theirs = mine = slower = 0
                for row in SCALESIM_ORACLE.rows():
                    if (row.net, row.array, row.dataflow) != (net, size, dataflow):
                        continue
                    product = Product(row.m_pixels, row.k_window, row.n_filters)
                    if (product, config) not in known:
                        known[product, config] = array_cycles(product, config)
                    cycles = known[product, config]
                    theirs += scalesim_cycles(product, size, size, dataflow)
                    mine += cycles
                    slower += cycles > scalesim_cycles(product, size, size, dataflow)
                yield ScaleSimRow(net=net, array=size, dataflow=dataflow, scalesim=theirs, ours=mine, slower=slower)
