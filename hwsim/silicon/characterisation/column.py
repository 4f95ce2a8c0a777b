"""A column of the weight-stationary array, measured on operands of real layers: energy per PE and cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.silicon.characterisation.recipes import Trial, candidates, taken, try_recipes
from hwsim.silicon.switching.operands import layer_operands, tiles, with_zeros
from hwsim.silicon.switching.stimulus import column_stimulus, held
from rtl.verilog import to_verilog

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.silicon.characterisation.specimen import Measured, Specimen
    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.switching.operands import Tile
    from hwsim.silicon.switching.power import Energy
    from rtl.config import ArchConfig

__all__ = ["ColumnEnergy", "measure_column"]

TOP = "column"
_TILES = 12
_VECTORS = 16
"""Of a tile, at least: as many as the network's smallest image has pixels."""
_IDLE_CYCLES = 32
DENSITIES = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of activations that are not zero, at which a PE is measured."""
WEIGHT_DENSITIES = (0.1, 0.25, 0.5, 0.75)
"""Shares of weights that are not zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEnergy:
    """All per column and cycle, in pJ; divide by ``rows`` for a PE."""

    rows: int
    trials: tuple[Trial, ...]
    """Ways to synthesise it. All figures are of the one :func:`~hwsim.silicon.characterisation.recipes.taken`."""
    zero_activations: Energy
    """Weights stay; the sum moves on."""
    zero_weights: Energy
    idle: Energy
    """Nothing streams and no weight is written."""
    by_density: dict[float, Energy]
    """By the share of activations that are not zero, of a network with zero points of zero."""
    by_weight_density: dict[float, Energy]
    """By the share of weights that are not zero; activations as they are."""

    @property
    def specimen(self) -> Specimen:
        """The netlist."""
        return taken(self.trials).specimen

    @property
    def dense(self) -> Measured:
        """Bytes of real layers as the array gets them."""
        return taken(self.trials).measured


def measure_column(config: ArchConfig, technology: Technology, folder: Path, *, period_ps: float) -> ColumnEnergy:
    """Synthesise the column of ``config`` in every way, and measure the best one in every state.

    Raises:
        ConfigError: ``config`` has no dense engine.
        ToolError: Yosys or Icarus is missing.

    """
    rows = config.dense.rows
    vectors = max(_VECTORS, rows)
    real = tiles(list(layer_operands()), rows, vectors=vectors, count=_TILES)

    def stimulus(chosen: list[Tile]):
        return column_stimulus(chosen, taps=config.dense.depthwise_taps, psum_bits=config.psum_bits)

    trials = try_recipes(candidates(period_ps), to_verilog(config), TOP, technology, folder, stimulus(real))
    specimen = taken(trials).specimen
    symmetric = [tile.symmetric() for tile in real]
    return ColumnEnergy(
        rows=rows,
        trials=trials,
        zero_activations=specimen.energy(stimulus(with_zeros(real, activations=1.0))),
        zero_weights=specimen.energy(stimulus(with_zeros(real, weights=1.0))),
        idle=specimen.energy(held(stimulus(real[:1]), _IDLE_CYCLES)),
        by_density={d: specimen.energy(stimulus(with_zeros(symmetric, activations=1 - d))) for d in DENSITIES},
        by_weight_density={d: specimen.energy(stimulus(with_zeros(real, weights=1 - d))) for d in WEIGHT_DENSITIES},
    )
