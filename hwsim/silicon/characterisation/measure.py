"""An energy table from the accelerator's own netlist: see ``docs/silicon.md`` for what each figure is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.progress import SILENT, Reporter
from hwsim.silicon.characterisation.column import ColumnEnergy, measure_column
from hwsim.silicon.characterisation.control import measure_control
from hwsim.silicon.characterisation.isolation import IsolationTrial, measure_isolation
from hwsim.silicon.characterisation.recipes import taken
from hwsim.silicon.characterisation.sparse_pe import measure_sparse_pe
from hwsim.silicon.characterisation.specimen import Specimen
from hwsim.silicon.switching.operands import layer_operands
from hwsim.silicon.switching.operators import ADD, MULTIPLY, TOP, add_stimulus, multiply_stimulus, operator_verilog
from hwsim.silicon.synthesis.trial import try_library
from hwsim.silicon.tools import OPTIONAL, absent, find

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.silicon.characterisation.fitting import EventEnergies
    from hwsim.silicon.library.technology import Technology
    from rtl.config import ArchConfig

__all__ = ["Characterisation", "Operator", "characterise"]

ADDERS = (8, 32)
MULTIPLIERS = (8, 24)
"""Widths that are measured alone; a law goes through them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One adder or multiplier."""

    bits: int
    area_um2: float
    """Its result's register apart."""
    energy_pj: float
    """Logic alone, glitches included, on operands of real layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Characterisation:
    """What one library gives for one architecture."""

    arch: ArchConfig
    technology: Technology
    column: ColumnEnergy
    adders: tuple[Operator, ...]
    multipliers: tuple[Operator, ...]
    register_um2: float
    """A flip-flop of the kind that synthesis takes."""
    isolation: IsolationTrial | None
    """Where it was asked for."""
    sparse: EventEnergies | None
    """Of the zero-skipping engine's PE, where an architecture that has one was given."""
    control: EventEnergies | None
    """Of the instruction path, where it was asked for."""
    notes: tuple[str, ...]
    """What is not in the figures because a program, or a kind of cell, is missing."""
    tools: tuple[str, ...]
    """What they were made with."""

    @property
    def pe_bits(self) -> int:
        """Flip-flops of a PE: activation, two weights, sum and two flags; what depthwise adds is spread over all."""
        return round(self.column.specimen.netlist.flip_flops() / self.column.rows)

    @property
    def pe_um2(self) -> float:
        """Area of a PE."""
        return self.column.specimen.netlist.area_um2 / self.column.rows


def characterise(
    arch: ArchConfig,
    technology: Technology,
    folder: Path,
    *,
    period_ps: float,
    sparse: ArchConfig | None = None,
    isolation: bool = False,
    control: bool = False,
    reporter: Reporter = SILENT,
) -> Characterisation:
    """Synthesise and measure ``arch``, and the zero-skipping PE of ``sparse``. Files go to folders under ``folder``.

    ``isolation`` measures the column with operand isolation besides, ``control`` the path of instructions.

    Raises:
        InputError: the library lacks a cell that is needed.
        ConfigError: ``arch`` has no weight-stationary engine, or ``sparse`` no zero-skipping one.
        ModelError: the entries of ``sparse`` hold weights and not codes.
        ToolError: Yosys or Icarus is missing.

    """
    reporter.stage("trying the library")
    try_library(technology)
    if control:
        # Its netlist is buffered; it comes last.
        _ = technology.buffer
    reporter.stage(f"measuring a column of {arch.dense.rows} PEs")
    column = measure_column(arch, technology, folder / "column", period_ps=period_ps)
    recipe = taken(column.trials).recipe
    layers = list(layer_operands())

    def operator(symbol: str, bits: int) -> Operator:
        name = f"{'add' if symbol == ADD else 'multiply'}-{bits}"
        reporter.stage(f"measuring {name}")
        verilog = operator_verilog(symbol, bits, bits if symbol == ADD else 2 * bits)
        specimen = Specimen(verilog, TOP, technology, folder / name, recipe)
        stimulus = (add_stimulus if symbol == ADD else multiply_stimulus)(layers, bits)
        flops = sum(i.cell.area_um2 for i in specimen.netlist.instances if i.cell.state is not None)
        energy = specimen.measure(stimulus).best.logic
        return Operator(bits=bits, area_um2=specimen.netlist.area_um2 - flops, energy_pj=energy)

    trial = pe = path = None
    if isolation:
        reporter.stage("measuring operand isolation")
        trial = measure_isolation(arch, technology, folder / "isolation", recipe)
    if sparse is not None:
        reporter.stage("measuring a zero-skipping PE")
        pe = measure_sparse_pe(sparse, technology, folder / "sparse", recipe)
    if control:
        reporter.stage("measuring the instruction path")
        path = measure_control(arch, technology, folder / "control", recipe)
    flop = next(i.cell for i in column.specimen.netlist.instances if i.cell.state is not None)
    return Characterisation(
        arch=arch,
        technology=technology,
        column=column,
        adders=tuple(operator(ADD, bits) for bits in ADDERS),
        multipliers=tuple(operator(MULTIPLY, bits) for bits in MULTIPLIERS),
        register_um2=flop.area_um2,
        isolation=trial,
        sparse=pe,
        control=path,
        notes=tuple(filter(None, (technology.without_clock_gates, *map(absent, OPTIONAL)))),
        tools=tuple(find(name).version for name in ("yosys", *OPTIONAL) if absent(name) is None),
    )
