"""A characterisation as a technology table, in the schema of :mod:`hwsim.energy.table`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.energy.curves import Curve, Figure, Point
from hwsim.energy.table import (
    PREFIX,
    ArrayEnergy,
    ControlEnergy,
    EventEnergy,
    Isolation,
    IsolationPoint,
    Logic,
    Register,
    SparseEnergy,
    SynthesisRecipe,
    Table,
)
from hwsim.silicon.characterisation.recipes import taken

if TYPE_CHECKING:
    from hwsim.silicon.characterisation.column import ColumnEnergy
    from hwsim.silicon.characterisation.fitting import Event, EventEnergies
    from hwsim.silicon.characterisation.isolation import IsolationTrial
    from hwsim.silicon.characterisation.measure import Characterisation
    from hwsim.silicon.characterisation.recipes import Trial
    from hwsim.silicon.library.memory import Memories
    from hwsim.silicon.switching.power import Energy

__all__ = ["control_part", "isolation_part", "sparse_part", "technology_table"]

_DIGITS = 4


def technology_table(made: Characterisation, name: str, *, memories: Memories) -> Table:
    """``made`` as table ``characterized:NAME``. ``memories`` are taken as they are."""
    library = made.technology.library
    conditions = f"{library.name}, {library.voltage_v:g} V, {library.temperature_c:g} C"
    sum_bits = made.arch.psum_bits
    adders = [(found.bits, found.energy_pj) for found in made.adders]
    add = Curve(law="power", points=[_point(x, y, f"adder alone, {conditions}") for x, y in adders])
    column = made.column
    logic = column.dense.best.logic / column.rows
    # The adder is fused into the multiplier's tree: the table splits what one netlist does.
    eight = max(logic - add(sum_bits), 0.0)
    wide = made.multipliers[-1]
    multiply = Curve(
        law="power",
        points=[
            _point(
                8,
                eight,
                f"a PE's logic in a column of {column.rows}, less an addition of {sum_bits} bits; {conditions}",
            ),
            _point(wide.bits, wide.energy_pj, f"multiplier alone, {conditions}"),
        ],
    )
    moved = 8 + sum_bits
    register = column.dense.best.register / column.rows / moved
    clock = column.dense.best.clock / column.rows / made.pe_bits
    gated = "weights' clock gated" if taken(column.trials).gates_clocks else "no clock gated"
    return Table(
        name=PREFIX + name,
        title=f"{conditions}: measured in the netlist of {made.arch.name}",
        unit="pJ",
        voltage_v=_figure(library.voltage_v, f"nom_voltage of {library.name}"),
        multiply=multiply,
        add=add,
        registers=Register(
            write_pj_per_bit=_figure(register, "as hop_pj_per_bit: registers are measured in the column"),
            hop_pj_per_bit=_figure(
                register, f"a PE's registers over the {moved} bits that move in a cycle; {conditions}"
            ),
            clock_pj_per_bit=_figure(
                clock, f"a PE's clock over {made.pe_bits} flip-flops, {gated}, no clock tree; {conditions}"
            ),
        ),
        sram=memories.sram,
        dram=memories.dram,
        logic=_logic(made, sum_bits, conditions),
        array=_array(made, conditions),
        sparse=made.sparse and sparse_part(made.sparse, conditions),
        control=made.control and control_part(made.control, conditions),
    )


def _logic(made: Characterisation, sum_bits: int, conditions: str) -> Logic:
    netlist = made.column.specimen.netlist
    add = Curve(
        law="proportional", points=[_point(o.bits, o.area_um2, f"adder alone, {conditions}") for o in made.adders]
    )
    rest = made.pe_um2 - made.pe_bits * made.register_um2 - add(sum_bits)
    wide = made.multipliers[-1]
    multiply = Curve(
        law="power",
        points=[
            _point(
                8, rest, f"a PE of {made.pe_um2:.2f} um2 less {made.pe_bits} flip-flops and an addition; {conditions}"
            ),
            _point(wide.bits, wide.area_um2, f"multiplier alone, {conditions}"),
        ],
    )
    return Logic(
        multiply_um2=multiply,
        add_um2=add,
        register_um2=_figure(made.register_um2, f"the flip-flop that synthesis takes; {conditions}"),
        leakage_mw_per_um2=_figure(
            netlist.leakage_nw * 1e-6 / netlist.area_um2, f"leakage of a column over its area; {conditions}"
        ),
    )


def _array(made: Characterisation, conditions: str) -> ArrayEnergy:
    """A PE's energy per cycle, state by state."""
    column, rows = made.column, made.column.rows
    isolation = made.isolation and isolation_part(made.isolation, conditions)

    def of(energy: Energy, what: str) -> Figure:
        return _figure(energy.total / rows, f"{what}; {conditions}")

    def curve(by_density: dict[float, Energy], what: str) -> Curve:
        points = [_point(d, e.total / rows, f"{what}; {conditions}") for d, e in by_density.items()]
        return Curve(law="linear", points=points)

    dense = column.dense
    return ArrayEnergy(
        dense_pj=of(dense.best, "operands of digits-cnn's layers, with glitches"),
        clock_pj=_figure(dense.settled.clock / rows, f"of dense_pj; {conditions}"),
        register_pj=_figure(dense.settled.register / rows, f"of dense_pj, without glitches; {conditions}"),
        arithmetic_pj=_figure(dense.settled.logic / rows, f"of dense_pj, without glitches; {conditions}"),
        glitch_pj=_figure(dense.glitches / rows, f"of dense_pj: what delays add; {conditions}"),
        zero_activation_pj=of(column.zero_activations, "the same weights, activations of zero bytes"),
        zero_weight_pj=of(column.zero_weights, "the same activations, weights of zero"),
        idle_pj=of(column.idle, "nothing streams"),
        by_density=curve(column.by_density, "activations of zero point 0, this share not zero"),
        by_weight_density=curve(column.by_weight_density, "weights, this share not zero"),
        recipes=_recipes(column, conditions),
        isolation=isolation,
    )


def _recipes(column: ColumnEnergy, conditions: str) -> list[SynthesisRecipe]:
    """The one that is taken first."""
    best = taken(column.trials)

    def recipe(trial: Trial) -> SynthesisRecipe:
        return SynthesisRecipe(
            multiplier="booth" if trial.recipe.booth else "array",
            clock_gating=trial.gates_clocks,
            pj=_rounded(trial.measured.best.total / column.rows),
            um2=_rounded(trial.specimen.netlist.area_um2 / column.rows),
            path_ps=_rounded(trial.path_ps) if trial.path_ps is not None else None,
            source=f"hwsim characterize: for a period of {trial.recipe.period_ps:g} ps; {conditions}",
        )

    return [recipe(best), *(recipe(trial) for trial in column.trials if trial is not best)]


def isolation_part(trial: IsolationTrial, conditions: str) -> Isolation:
    """Of one PE."""

    def point(zeros: float, pair: tuple[Energy, Energy]) -> IsolationPoint:
        plain, isolated = (_rounded(energy.total / trial.rows) for energy in pair)
        return IsolationPoint(zeros=_rounded(zeros), plain_pj=plain, isolated_pj=isolated)

    specimen = trial.isolated
    return Isolation(
        um2=_rounded(specimen.netlist.area_um2 / trial.rows),
        path_ps=_rounded(specimen.timing.period_ps) if specimen.timing else None,
        real=point(trial.zeros, trial.real),
        by_share=[point(share, pair) for share, pair in trial.by_share.items()],
        source=f"hwsim characterize: activations at the zero point, in a column of {trial.rows}; {conditions}",
    )


def sparse_part(found: EventEnergies, conditions: str) -> SparseEnergy:
    """Of one PE."""

    def event(name: str, what: str) -> EventEnergy:
        return _event(found.events[name], what, conditions)

    return SparseEnergy(
        pe=found.config.sparse,
        idle_pj=_figure(found.idle.total, f"nothing comes, clocks that are not gated; {conditions}"),
        take=event("take", "an activation taken, by fit"),
        push=event("queued", "a column queued and walked, by fit"),
        entry=event("mac", "an entry multiplied and added, by fit"),
        padding=event("padding", "an entry of code 0, by fit"),
        held_out_error=_held_out(found, conditions),
    )


def control_part(found: EventEnergies, conditions: str) -> ControlEnergy:
    """Of the whole path."""

    def event(name: str, what: str) -> EventEnergy:
        return _event(found.events[name], what, conditions)

    return ControlEnergy(
        path=found.config.control,
        idle_pj=_figure(found.idle.total, f"nothing comes, clocks that are not gated; {conditions}"),
        fetch=event("fetch", "an instruction into the fetch queue, by fit"),
        dispatch=event("dispatch", "an instruction into its engine's queue, by fit"),
        issue=event("issue", "an instruction issued and retired, by fit"),
        stall=event("stall", "a cycle in which an engine waits for a token, by fit"),
        held_out_error=_held_out(found, conditions),
    )


def _held_out(found: EventEnergies, conditions: str) -> Figure:
    return _figure(found.error(found.held_out), f"{', '.join(o.what for o in found.held_out)}; {conditions}")


def _event(parts: Event, what: str, conditions: str) -> EventEnergy:
    return EventEnergy(
        logic_pj=_rounded(parts.logic),
        register_pj=_rounded(parts.register),
        source=f"hwsim characterize: {what}; {conditions}",
    )


def _figure(value: float, source: str) -> Figure:
    return Figure(value=_rounded(value), source=f"hwsim characterize: {source}")


def _point(x: float, y: float, source: str) -> Point:
    return Point(x=x, y=_rounded(y), source=f"hwsim characterize: {source}")


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
