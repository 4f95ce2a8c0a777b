"""What ``hwsim characterize`` found, for people and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table as RichTable

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.energy.table import Table
    from hwsim.silicon.characterise import Characterisation

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
    return Group(shown, *notes, f"written to {path}: --technology {table.name}")


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
        "missing": list(made.notes),
        "tools": list(made.tools),
    }


def _states(table: Table) -> dict[str, float]:
    array = table.array
    if array is None:
        raise ValueError(f"{table.name} is not measured in a netlist")
    return {name: getattr(array, name).value for name in _STATES}
