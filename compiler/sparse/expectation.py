"""What the sparse engine takes for a layer of which only shape and densities are known.

Entries are a closed form. Cycles depend on how unevenly they fall, and on queues: the exact timing of a seeded sample
with those densities gives a rate per broadcast, and the layer goes on at that rate. Samples are remembered, so that a
sweep over sizes or clocks pays for each once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.sparse.balance import balance
from compiler.sparse.csc import encode
from compiler.sparse.engine import run

if TYPE_CHECKING:
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["Expectation", "LayerDensity", "expect", "expected_padding"]

_SAMPLE_BROADCASTS = 2048
"""Of the longer sample; the shorter one has half."""
_SAMPLE_COLUMNS = 2048
_MOST_SCANNED = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDensity:
    """A matrix and the vectors it multiplies, by their sizes and shares of values other than zero, 0..1."""

    rows: int
    columns: int
    vectors: int = 1
    weights: float
    activations: float
    together: int | None = None
    """Elements of a vector that lie side by side; all without it."""
    balanced: bool = False
    """Rows are spread over PEs by :func:`compiler.sparse.balance.balance`, not as they come."""

    def __post_init__(self) -> None:
        for name, share in (("weights", self.weights), ("activations", self.activations)):
            if not 0 <= share <= 1:
                raise ModelError(f"a share of {name} other than zero is 0 to 1, not {share:g}")
        if min(self.rows, self.columns, self.vectors) < 1:
            raise ModelError(f"a layer of {self.rows} x {self.columns} on {self.vectors} vectors has nothing to do")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Expected values for one layer on one configuration."""

    cycles: float
    """Of the engine, weights and activations on chip."""
    macs: float
    """Weights other than zero times activations other than zero."""
    padding: float
    """Padding entries read beside them."""
    broadcasts: float

    @property
    def entries(self) -> float:
        """Read by all PEs."""
        return self.macs + self.padding


def expect(layer: LayerDensity, config: ArchConfig) -> Expectation:
    """The expected cycles and entries of ``layer`` on the sparse engine of ``config``.

    Raises:
        ConfigError: there is no sparse engine.

    """
    broadcasts = layer.columns * layer.vectors * layer.activations
    macs = broadcasts * layer.rows * layer.weights
    padding = broadcasts * expected_padding(layer.rows, layer.weights, config.sparse)
    cycles = _cycles(layer, config, _bound(layer, broadcasts, macs + padding, config))
    return Expectation(cycles=cycles, macs=macs, padding=padding, broadcasts=broadcasts)


def expected_padding(rows: int, density: float, sparse: SparseConfig) -> float:
    """Padding entries of a column of independent weights, in all PEs.

    A weight has at least k of them before it if the ``k * (longest_run + 1)`` rows before it in its PE are zero.
    """
    span = sparse.longest_run + 1
    local = np.array([len(range(p, rows, sparse.pes)) for p in range(sparse.pes)])
    zeros = span * np.arange(1, local.max() // span + 1)
    return float((np.maximum(local[:, None] - zeros, 0) * density * (1 - density) ** zeros).sum())


def _bound(layer: LayerDensity, broadcasts: float, entries: float, config: ArchConfig) -> float:
    """Cycles if nothing ever waited: a chunk, a broadcast and an entry of every PE each cycle."""
    together = layer.together or layer.columns
    chunks = layer.vectors * layer.columns / together * -(-together // config.banks)
    return max(chunks, broadcasts, entries / config.sparse.pes)


def _cycles(layer: LayerDensity, config: ArchConfig, bound: float) -> float:
    """The sample's cycles, and those of what lies beyond it at the rate of the sample's second half.

    A sample has more or fewer entries than expected by chance: its cycles are taken relative to its own bound.
    """
    enough = _SAMPLE_BROADCASTS / layer.activations if layer.activations else np.inf
    columns = min(layer.columns, _SAMPLE_COLUMNS)
    long = replace(layer, columns=columns, vectors=min(layer.vectors, int(-(-min(enough, _MOST_SCANNED) // columns))))
    spent, reached = _sampled(long, config)
    if long == layer:
        return spent * bound / reached
    half = {"vectors": long.vectors // 2} if long.vectors > 1 else {"columns": columns // 2}
    begun_spent, begun = _sampled(replace(long, **half), config)
    return spent + (bound - reached) * (spent - begun_spent) / (reached - begun)


@lru_cache(maxsize=4096)
def _sampled(layer: LayerDensity, config: ArchConfig) -> tuple[int, float]:
    """Cycles and bound of a layer made up by its densities."""
    rng = np.random.default_rng((layer.rows, layer.columns, 2016))
    nonzero = rng.random((layer.rows, layer.columns), np.float32) < layer.weights
    active = np.zeros((layer.vectors, layer.columns), np.bool_)
    active.reshape(-1)[rng.permutation(active.size)[: round(active.size * layer.activations)]] = True
    if layer.balanced:
        nonzero = nonzero[balance(nonzero, config.sparse, active.mean(axis=0))]
    found = run(encode(nonzero.astype(np.uint8), config.sparse), active, config, together=layer.together)
    return found.cycles, _bound(layer, found.broadcasts, found.entries, config)
