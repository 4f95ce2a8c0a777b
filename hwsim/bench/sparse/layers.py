"""EIE's nine layers on our engine: timed exactly, weights and activations on chip, as the paper has them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from compiler.sparse.balance import balance
from compiler.sparse.csc import encode
from compiler.sparse.engine import EngineRun, run
from hwsim.activity import CALIBRATION_SEEDS, expected_activity
from rtl.config import ArchConfig, load_arch
from workloads import eie

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CLOCK_MHZ", "Pruned", "balanced", "balanced_blind", "balanced_known", "configuration", "on_engine", "pruned",
    "uneven",
]  # fmt: skip

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
    calibration: NDArray[np.bool_]
    """``[samples, inputs]``: of other inputs, which are known before the run."""


def configuration(pes: int = 64, fifo_depth: int = 8) -> ArchConfig:
    """``eie-64``, with more or fewer PEs and places in their queues."""
    preset = load_arch("eie-64")
    sizes = {
        "pes": pes,
        "fifo_depth": fifo_depth,
        "spmat_kib": min(preset.sparse.spmat_kib, _MOST_KIB // pes),
        "lanes": min(preset.sparse.lanes, pes),
    }
    return ArchConfig.model_validate(
        preset.model_dump() | {"name": f"eie-{pes}", "sparse": preset.sparse.model_dump() | sizes}
    )


@cache
def pruned(name: str) -> Pruned:
    """The layer called ``name``, such as ``eie/alex-6``."""
    layer = eie.generate(name)
    others = np.concatenate([eie.active_inputs(name, seed) for seed in CALIBRATION_SEEDS])
    return Pruned(layer.benchmark.layer, layer.weights != 0, layer.activations[None] != 0, others != 0)


def uneven(spread: float, seed: int = 7) -> Pruned:
    """Alex-7's size and densities, but rows that differ: log-normally, by ``spread`` in their logarithm."""
    rng = np.random.default_rng(seed)
    density = np.minimum(0.9, 0.09 * np.exp(rng.normal(0, spread, 4096) - spread**2 / 2))
    nonzero = rng.random((4096, 4096), np.float32) < density[:, None]
    active = rng.random((1 + len(CALIBRATION_SEEDS), 4096)) < 0.353
    return Pruned(f"4096 x 4096, rows log-normal by {spread:g}", nonzero, active[:1], active[1:])


def on_engine(
    layer: Pruned, config: ArchConfig, order: NDArray[np.int64] | None = None, *, together: int | None = None
) -> EngineRun:
    """``layer`` with its rows interleaved as they come, or in ``order``."""
    nonzero = layer.nonzero if order is None else layer.nonzero[order]
    return run(encode(nonzero.astype(np.uint8), config.sparse), layer.active, config, together=together)


def balanced(layer: Pruned, config: ArchConfig) -> NDArray[np.int64]:
    """Rows by position, as the compiler evens them out: by other inputs than those that are run."""
    return balance(layer.nonzero, config.sparse, expected_activity(layer.calibration))


def balanced_known(layer: Pruned, config: ArchConfig) -> NDArray[np.int64]:
    """Rows by position, evened out for the very inputs that are run: what is lost by not knowing them."""
    return balance(layer.nonzero, config.sparse, layer.active.mean(axis=0))


def balanced_blind(layer: Pruned, config: ArchConfig) -> NDArray[np.int64]:
    """Rows by position, evened out without knowing which inputs are active."""
    return balance(layer.nonzero, config.sparse)
