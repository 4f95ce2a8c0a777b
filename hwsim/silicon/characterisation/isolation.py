"""Operand isolation, measured: a column whose multipliers stand still where an activation is zero, and the plain one.

The gateware is :mod:`rtl.dense.weight_stationary.isolated`; whether it pays is in ``docs/silicon.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.silicon.characterisation.specimen import Specimen
from hwsim.silicon.switching.operands import Tile, layer_operands, tiles
from hwsim.silicon.switching.stimulus import Stimulus, column_stimulus, packed
from rtl.cell import emit
from rtl.dense.weight_stationary.isolated import IsolatedColumn
from rtl.verilog import to_verilog

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.switching.power import Energy
    from hwsim.silicon.synthesis.cells import Recipe
    from rtl.config import ArchConfig

__all__ = ["SHARES", "IsolationTrial", "isolated_stimulus", "measure_isolation", "relu_zeros"]

SHARES = (0.0, 0.5, 0.75, 0.9)
"""Of activations that are zero."""
ZERO = -128
_TILES = 6
_VECTORS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationTrial:
    """A column without and with isolation; energies per column and cycle."""

    plain: Specimen
    isolated: Specimen
    rows: int
    zeros: float
    """Share of the real operands' activations that are zero."""
    real: tuple[Energy, Energy]
    """Without and with, on operands of real layers."""
    by_share: dict[float, tuple[Energy, Energy]]
    """The same by the share of activations that are zero."""


def measure_isolation(config: ArchConfig, technology: Technology, folder: Path, recipe: Recipe) -> IsolationTrial:
    """Synthesise both columns and measure them on the same operands.

    Raises:
        ToolError: Yosys or Icarus is missing.

    """
    plain = Specimen(to_verilog(config), "column", technology, folder / "plain", recipe)
    isolated = Specimen(emit(IsolatedColumn(config), "column"), "column", technology, folder / "isolated", recipe)
    rows = config.dense.rows
    real = tiles(list(layer_operands()), rows, vectors=max(_VECTORS, rows), count=_TILES)

    def both(chosen: list[Tile]) -> tuple[Energy, Energy]:
        stimulus = column_stimulus(chosen, taps=config.dense.depthwise_taps, psum_bits=config.psum_bits)
        return plain.energy(stimulus), isolated.energy(isolated_stimulus(stimulus, rows))

    by_share = {share: both(relu_zeros(real, share)) for share in SHARES}
    zeros = float(np.mean([tile.activations == ZERO for tile in real]))
    return IsolationTrial(plain=plain, isolated=isolated, rows=rows, zeros=zeros, real=both(real), by_share=by_share)


def relu_zeros(chosen: list[Tile], share: float, *, seed: int = 0) -> list[Tile]:
    """The same tiles with this share of activations at the zero point, 0..1; others that are there become small."""
    rng = np.random.default_rng(seed)

    def zeroed(tile: Tile) -> Tile:
        act = tile.activations.astype(np.int64)
        act = np.where(act == ZERO, rng.integers(ZERO + 1, ZERO + 32, act.shape), act)
        return Tile(np.where(rng.random(act.shape) < share, ZERO, act).astype(np.int8), tile.weights)

    return [zeroed(tile) for tile in chosen]


def isolated_stimulus(stimulus: Stimulus, rows: int) -> Stimulus:
    """As the first column of an isolated array gets it: the flags, and activations that stay where they are set."""
    words = stimulus.inputs["act_i"]
    act = np.array([[(int(word) >> (8 * row)) & 0xFF for row in range(rows)] for word in words], np.int64)
    zero = act == ZERO & 0xFF
    for cycle in range(1, len(act)):
        act[cycle] = np.where(zero[cycle], act[cycle - 1], act[cycle])
    more = {"act_i": packed(act, 8), "zero_i": packed(zero.astype(np.int64), 1)}
    return Stimulus(stimulus.inputs | more, stimulus.expected, stimulus.start)
