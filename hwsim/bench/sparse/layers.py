"""EIE's nine layers on our engine: timed exactly, weights and activations on chip, as the paper has them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from compiler.sparse.balance import balance
from compiler.sparse.csc import encode
from compiler.sparse.engine import EngineRun, run
from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from workloads import eie

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLOCK_MHZ", "Pruned", "balanced", "balanced_blind", "configuration", "on_engine", "pruned", "uneven"]

CLOCK_MHZ = 800
_MOST_KIB = 1 << 14
"""Of all sparse-matrix memories."""


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """Where a layer's weights and one input's activations are."""

    name: str
    nonzero: NDArray[np.bool_]
    """``[outputs, inputs]``."""
    active: NDArray[np.bool_]
    """``[vectors, inputs]``."""


def configuration(pes: int = 64, fifo_depth: int = 8) -> ArchConfig:
    """EIE's engine, of more or fewer PEs and places in their queues."""
    sparse = SparseConfig(
        pes=pes, fifo_depth=fifo_depth, spmat_kib=min(128, _MOST_KIB // pes), pointers=16384, accumulators=256,
        lanes=min(8, pes),
    )  # fmt: skip
    return ArchConfig(
        name=f"eie-{pes}", clock_mhz=CLOCK_MHZ, dense=None, sparse=sparse,
        memory=MemoryConfig(ifm_kib=64, ofm_kib=64, param_kib=128), bus=BusConfig(data_bytes=32, burst_beats=32),
    )  # fmt: skip


@cache
def pruned(name: str) -> Pruned:
    """The layer called ``name``, such as ``eie/alex-6``."""
    layer = eie.generate(name)
    return Pruned(layer.benchmark.layer, layer.weights != 0, layer.activations[None] != 0)


def uneven(spread: float, seed: int = 7) -> Pruned:
    """Alex-7's size and densities, but rows that differ: log-normally, by ``spread`` in their logarithm."""
    rng = np.random.default_rng(seed)
    density = np.minimum(0.9, 0.09 * np.exp(rng.normal(0, spread, 4096) - spread**2 / 2))
    nonzero = rng.random((4096, 4096), np.float32) < density[:, None]
    return Pruned(f"4096 x 4096, rows log-normal by {spread:g}", nonzero, rng.random((1, 4096)) < 0.353)


def on_engine(
    layer: Pruned, config: ArchConfig, order: NDArray[np.int64] | None = None, *, together: int | None = None
) -> EngineRun:
    """``layer`` with its rows interleaved as they come, or in ``order``."""
    nonzero = layer.nonzero if order is None else layer.nonzero[order]
    return run(encode(nonzero.astype(np.uint8), config.sparse), layer.active, config, together=together)


def balanced(layer: Pruned, config: ArchConfig) -> NDArray[np.int64]:
    """Rows by position, evened out for the inputs that are run."""
    return balance(layer.nonzero, config.sparse, layer.active.mean(axis=0))


def balanced_blind(layer: Pruned, config: ArchConfig) -> NDArray[np.int64]:
    """Rows by position, evened out without knowing which inputs are active."""
    return balance(layer.nonzero, config.sparse)
