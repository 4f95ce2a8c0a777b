"""Operand isolation, built to be measured: a column whose multipliers stand still where an activation is zero.

Networks with ReLU have a zero point of -128, so their zeros are bytes of 0x80, whose product is the weight
times -128: wires. A flag goes with each activation. Where it is set the activation's register keeps what it had:
neither it, nor its clock, nor the multiplier moves, and the sum takes ``-(weight << 7)`` for the product. Sums are
those of :class:`rtl.dense.weight_stationary.column.Column`, bit by bit and cycle by cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwsim.silicon.operands import Tile, layer_operands, tiles
from hwsim.silicon.specimen import Specimen
from hwsim.silicon.stimulus import Stimulus, column_stimulus, packed
from rtl.cell import emit
from rtl.verilog import to_verilog

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.silicon.power import Energy
    from hwsim.silicon.synthesis import Recipe
    from hwsim.silicon.technology import Technology
    from rtl.config import ArchConfig

__all__ = ["SHARES", "IsolatedColumn", "IsolationTrial", "isolated_stimulus", "measure_isolation", "relu_zeros"]

SHARES = (0.0, 0.5, 0.75, 0.9)
"""Of activations that are zero."""
ZERO = -128
_TILES = 6
_VECTORS = 16


class IsolatedColumn(wiring.Component):
    """The column with operand isolation. Ports are those of ``Column``, and ``zero_i``, ``zero_o``: a flag per row."""

    def __init__(self, config: ArchConfig) -> None:
        self.rows = config.dense.rows
        self.taps = config.dense.depthwise_taps
        self.psum_bits = config.psum_bits
        lanes = {"act": 8 * self.rows, "zero": self.rows, "swap": self.rows, "load": self.rows}
        if self.taps:
            lanes["own"] = self.taps
        ports = {f"{name}_i": In(width) for name, width in lanes.items()}
        ports |= {f"{name}_o": Out(width) for name, width in lanes.items()}
        ports |= {"weight": In(8), "psum_o": Out(signed(self.psum_bits))}
        if self.taps:
            ports["own_act"] = In(8)
        super().__init__(ports)

    def elaborate(self, _platform: object) -> Module:
        """The logic."""
        m = Module()
        for name in ("zero", "swap", "load", *(["own"] if self.taps else [])):
            m.d.sync += getattr(self, f"{name}_o").eq(getattr(self, f"{name}_i"))
        psum: Value | int = 0
        kept = []
        for row in range(self.rows):
            act_o = Signal(8, name=f"act_{row}", reset_less=True)
            with m.If(~self.zero_i[row]):
                m.d.sync += act_o.eq(self.act_i.word_select(row, 8))
            kept.append(act_o)
            psum = self._row(m, row, psum)
        m.d.comb += [self.act_o.eq(Cat(kept)), self.psum_o.eq(Cat(psum))]
        return m

    def _row(self, m: Module, row: int, psum: Value | int) -> Signal:
        shadow = Signal(8, name=f"shadow_{row}", reset_less=True)
        weight = Signal(signed(8), name=f"weight_{row}", reset_less=True)
        with m.If(self.load_i[row]):
            m.d.sync += shadow.eq(self.weight)
        with m.If(self.swap_i[row]):
            m.d.sync += weight.eq(shadow)
        own = self.own_i[row] if row < self.taps else 0
        operand = Signal(signed(8), name=f"operand_{row}")
        product = Signal(signed(16), name=f"product_{row}")
        of_zero = Signal(signed(16), name=f"of_zero_{row}")
        total = Signal(signed(self.psum_bits), name=f"psum_{row}", reset_less=True)
        act = self.act_i.word_select(row, 8)
        m.d.comb += [
            operand.eq(Mux(own, self.own_act, act) if row < self.taps else act),
            product.eq(operand * weight),
            of_zero.eq(-(weight << 7)),
        ]
        m.d.sync += total.eq(psum + Mux(self.zero_i[row] & ~own, of_zero, product))
        return total


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
