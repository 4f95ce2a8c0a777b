"""Random accelerators: those that a simulator is built for, and any number for the models that need none."""

from __future__ import annotations

from random import Random
from typing import Literal

from rtl.config import (
    AXI_BOUNDARY_BYTES,
    ArchConfig,
    BusConfig,
    ControlConfig,
    DenseConfig,
    DramConfig,
    MemoryConfig,
)

__all__ = ["Dataflow", "random_arch", "random_dram"]

Dataflow = Literal["weight_stationary", "output_stationary"]
SIDES = (2, 3, 4, 5, 6, 8, 8, 11, 12, 16, 16)


def random_arch(
    seed: int, *, rows: int | None = None, cols: int | None = None, dataflow: Dataflow | None = None
) -> ArchConfig:
    """The accelerator of ``seed``, from 2 x 2 to 16 x 16 and of any dataflow unless they are given."""
    rng = Random(seed)
    dataflow = dataflow or rng.choice(["weight_stationary", "weight_stationary", "output_stationary"])
    rows, cols = rows or rng.choice(SIDES), cols or rng.choice(SIDES)
    data_bytes = rng.choice([4, 8, 16, 32])
    bursts = [b for b in (2, 4, 8, 16, 64, 256) if b * data_bytes <= AXI_BOUNDARY_BYTES]
    return ArchConfig(
        name=f"random{seed}-{rows}x{cols}",
        dense=DenseConfig(
            rows=rows,
            cols=cols,
            dataflow=dataflow,
            depthwise_taps=min(rows, rng.choice([0, 2, 3, 3, 5, 7])) if dataflow == "weight_stationary" else 0,
        ),
        memory=MemoryConfig(
            ifm_kib=rng.choice([1, 2, 4, 8, 64]),
            ofm_kib=rng.choice([1, 2, 4, 8, 64]),
            weight_kib=rng.choice([1, 2, 4, 16]),
            param_kib=rng.choice([1, 1, 4]),
            accumulators=rng.choice([16, 16, 32, 64, 128, 512]),
        ),
        bus=BusConfig(data_bytes=data_bytes, burst_beats=rng.choice(bursts), outstanding=rng.choice([1, 1, 2, 4, 8])),
        dram=random_dram(rng),
        control=ControlConfig(
            queue_depth=rng.choice([2, 2, 4, 8, 16]), fetch_depth=rng.choice([4, 8, 16, 64]), max_layers=16
        ),
    )


def random_dram(rng: Random) -> DramConfig:
    """A memory: fast, bound by its latency, starved of bandwidth, or anything between."""
    latency, interval = rng.choice([(1, 1), (40, 1), (200, 1), (1, 5), (rng.randint(1, 100), rng.randint(1, 4))])
    return DramConfig(latency_cycles=latency, beat_interval=interval)
