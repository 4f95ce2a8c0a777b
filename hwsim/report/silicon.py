"""What ``hwsim characterize`` found, for people and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table as RichTable

from hwsim.energy.table import FOLDER_VARIABLE, is_shipped, own_folder

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.energy.curves import Part
    from hwsim.energy.table import ControlEnergy, EventEnergy, Isolation, SparseEnergy, Table
    from hwsim.silicon.characterisation.measure import Characterisation

__all__ = ["characterisation_table", "characterisation_tree"]

_STATES = {
    "dense_pj": "MAC, operands of real layers",
    "clock_pj": "  its clock",
    "register_pj": "  its registers",
    "arithmetic_pj": "  its arithmetic",
    "glitch_pj": "  its glitches",
    "zero_activation_pj": "activation zero",
    "zero_weight_pj": "weight zero",
    "idle_pj": "idle",
}
_SPARSE = {
    "take": "activation taken, its column looked up",
    "push": "column through the queue",
    "entry": "entry: weight looked up, multiplied, added",
    "padding": "padding entry",
}
_CONTROL = {
    "fetch": "fetched: from beats into the fetch queue",
    "dispatch": "dispatched: into its engine's queue",
    "issue": "issued to its engine, and retired",
    "stall": "a cycle of waiting for a token",
}


def characterisation_table(made: Characterisation, table: Table, path: Path) -> Group:
    """Area, frequency and energies of a PE; what is missing, and where the table is, below."""
    timing = made.column.specimen.timing
    shown = RichTable(title=f"{table.name}: a PE of {made.arch.name}", title_justify="left")
    shown.add_column("")
    shown.add_column("value", justify="right")
    shown.add_column("unit")
    shown.add_row("cell area", f"{made.pe_um2:,.2f}", "um2")
    shown.add_row("flip-flops", str(made.pe_bits), "")
    if timing is not None:
        shown.add_row("longest path, wires apart", f"{timing.period_ps:,.0f}", "ps")
        shown.add_row("frequency", f"{timing.fmax_mhz:,.0f}", "MHz")
    for name, what in _STATES.items():
        shown.add_row(what, f"{_states(table)[name]:.4f}", "pJ a cycle")
    notes = [f"[yellow]{note}" for note in made.notes]
    return Group(shown, *_more(table), *notes, *_written(table.name, path))


def characterisation_tree(made: Characterisation, table: Table) -> dict[str, Any]:
    """As JSON."""
    timing = made.column.specimen.timing
    return {
        "technology": table.name,
        "arch": made.arch.name,
        "pe_um2": made.pe_um2,
        "pe_flip_flops": made.pe_bits,
        "longest_path_ps": timing.period_ps if timing else None,
        "fmax_mhz": timing.fmax_mhz if timing else None,
        "pe_pj_per_cycle": _states(table),
        **{name: None if part is None else part.model_dump() for name, part in _parts(table).items()},
        "missing": list(made.notes),
        "tools": list(made.tools),
    }


def _parts(table: Table) -> dict[str, Part | None]:
    """What is measured where it is asked for."""
    isolation = table.array.isolation if table.array else None
    return {"sparse": table.sparse, "control": table.control, "isolation": isolation}


def _more(table: Table) -> list[RichTable]:
    isolation = table.array.isolation if table.array else None
    found = []
    if table.sparse is not None:
        found.append(_events("a zero-skipping PE, memories apart", table.sparse, _SPARSE))
    if table.control is not None:
        found.append(_events("an instruction", table.control, _CONTROL))
    if isolation is not None:
        found.append(_isolation(isolation))
    return found


def _events(title: str, measured: SparseEnergy | ControlEnergy, events: dict[str, str]) -> RichTable:
    shown = RichTable(title=title, title_justify="left")
    shown.add_column("")
    shown.add_column("pJ", justify="right")
    shown.add_row("idle, a cycle", f"{measured.idle_pj.value:.4g}")
    for name, what in events.items():
        event: EventEnergy = getattr(measured, name)
        shown.add_row(what, f"{event.logic_pj + event.register_pj:.4g}")
    shown.add_row("largest error where it was not fitted to", f"{measured.held_out_error.value:.1%}")
    return shown


def _isolation(isolation: Isolation) -> RichTable:
    shown = RichTable(title=f"operand isolation, of {isolation.um2:,.2f} um2", title_justify="left")
    for column in ("activations that are zero", "pJ without", "with", "change"):
        shown.add_column(column, justify="right")
    for point, what in ((isolation.real, "real operands, "), *((point, "") for point in isolation.by_share)):
        change = point.isolated_pj / point.plain_pj - 1
        shown.add_row(f"{what}{point.zeros:.0%}", f"{point.plain_pj:.4g}", f"{point.isolated_pj:.4g}", f"{change:+.1%}")
    return shown


def _written(name: str, path: Path) -> list[str]:
    """Where the table is, and how it is found there."""
    found = path.parent.resolve() == own_folder().resolve()
    lines = [f"written to {path}: --technology {name}{'' if found else f', with {FOLDER_VARIABLE}={path.parent}'}"]
    if is_shipped(name):
        lines.append("[yellow]hwsim comes with a table of that name: where this one is found, it is taken instead")
    return lines


def _states(table: Table) -> dict[str, float]:
    array = table.array
    if array is None:
        raise ValueError(f"{table.name} is not measured in a netlist")
    return {name: getattr(array, name).value for name in _STATES}
