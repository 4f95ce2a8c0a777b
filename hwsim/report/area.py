"""What ``hwsim synthesize`` and ``hwsim fpga`` found, for people and for machines."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table as RichTable

from hwsim.silicon.tools import absent

if TYPE_CHECKING:
    from hwsim.energy.table import Sram
    from hwsim.silicon.netlist.hierarchy import Macro
    from hwsim.silicon.synthesis.area import Area
    from hwsim.silicon.synthesis.fpga import FpgaArea

__all__ = ["area_csv", "area_table", "area_tree", "fpga_table", "fpga_tree"]

_SHOWN = 0.02
"""Of the whole: the least share that a module has a line for."""
_COLUMNS: tuple[str, ...] = ("module", "instances", "own_um2", "total_um2", "flip_flop_um2", "cells")


def area_table(arch: str, area: Area, sram: Sram, memories: str) -> Group:
    """Modules, largest first, then memories, then the longest path."""
    shown = RichTable(title=f"{arch} in {area.library}", title_justify="left")
    for column in ("module", "times", "its cells, um2", "with those inside", "all instances", "flip-flops"):
        shown.add_column(column, justify="left" if column == "module" else "right")
    for part in area.parts:
        share = part.instances * part.total_um2 / area.um2
        if share < _SHOWN:
            continue
        flops = f"{part.flip_flop_um2 / part.own_um2:.0%}" if part.own_um2 else ""
        own, total = f"{part.own_um2:,.0f}", f"{part.total_um2:,.0f}"
        name = part.module.removeprefix(f"{area.top}.")
        shown.add_row(name, str(part.instances), own, total, f"{share:.1%}", flops)
    gates = f", {area.gates / 1000:,.1f} thousand gate equivalents" if area.gates else ""
    lines = [f"cells: {area.um2 / 1e6:,.4g} mm2{gates}; memories apart, nothing placed"]
    notes = [f"[yellow]{note}" for note in area.notes]
    return Group(shown, _memories(area, sram, memories), *lines, *_timing(area), *notes)


def _memories(area: Area, sram: Sram, source: str) -> RichTable:
    table = RichTable(title=f"memories, not synthesised; areas by the SRAM model of {source}", title_justify="left")
    for column in ("in", "times", "words x bits", "read ports", "KiB in all", "mm2 in all"):
        table.add_column(column, justify="left" if column == "in" else "right")
    for macro in area.macros:
        um2 = _macro_um2(macro, sram)
        table.add_row(
            macro.module,
            str(macro.instances),
            f"{macro.words} x {macro.bits}",
            str(macro.read_ports),
            f"{macro.instances * macro.kib:,.4g}",
            "" if um2 is None else f"{um2 / 1e6:,.4g}",
        )
    whole = area.macro_um2(sram)
    kib = sum(macro.instances * macro.kib for macro in area.macros)
    table.add_row("all", "", "", "", f"{kib:,.4g}", "" if whole is None else f"{whole / 1e6:,.4g}")
    return table


def _macro_um2(macro: Macro, sram: Sram) -> float | None:
    return macro.instances * macro.read_ports * sram.area_um2(macro.kib) if sram.area_um2 else None


def _timing(area: Area) -> list[str]:
    if area.path is None:
        return [
            f"longest path of logic in a module, by ABC, flip-flops apart: {area.logic_ps:,.0f} ps",
            f"[yellow]{absent('opensta')}",
        ]
    path = area.path
    ends = f"from {path.start} to {path.end}"
    return [f"longest path, wires and memories apart: {path.period_ps:,.0f} ps, {path.fmax_mhz:,.0f} MHz, {ends}"]


def area_tree(arch: str, area: Area, sram: Sram, memories: str) -> dict[str, Any]:
    """As JSON; every module."""
    sram_um2 = area.macro_um2(sram)
    return {
        "arch": arch,
        "library": area.library,
        "cells_um2": area.um2,
        "gate_equivalents": area.gates,
        "sram_um2": sram_um2,
        "sram_from": memories,
        "longest_path_ps": area.path.period_ps if area.path else None,
        "longest_path": [area.path.start, area.path.end] if area.path else None,
        "fmax_mhz": area.path.fmax_mhz if area.path else None,
        "abc_logic_ps": area.logic_ps,
        "modules": [asdict(part) for part in area.parts],
        "memories": [{**asdict(macro), "kib": macro.kib, "um2": _macro_um2(macro, sram)} for macro in area.macros],
        "netlist": str(area.folder / "netlist.v"),
        "missing": [*area.notes, *_missing("opensta")],
    }


def area_csv(area: Area) -> str:
    """A line for each module."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(part) for part in area.parts)
    return text.getvalue()


def fpga_table(arch: str, area: FpgaArea) -> Group:
    """What the part has, and what is used of it."""
    device = area.device
    shown = RichTable(title=f"{arch} in an ECP5 {device.name}", title_justify="left")
    for column in ("", "used", "of", "share"):
        shown.add_column(column, justify="right" if column else "left")
    for what, used, have in (
        ("LUT", area.luts, device.luts),
        ("flip-flop", area.flip_flops, device.luts),
        ("MULT18X18D", area.multipliers, device.multipliers),
        ("DP16KD", area.block_rams, device.block_rams),
    ):
        shown.add_row(what, f"{used:,}", f"{have:,}", f"{used / have:.0%}")
    if excess := area.excess():
        return Group(shown, f"[yellow]does not fit: {', '.join(excess)}; counts by Yosys, nothing placed")
    if area.placed is None:
        return Group(shown, f"[yellow]{absent('ecp5')}")
    return Group(shown, f"after place and route: {area.placed.fmax_mhz:.1f} MHz, {area.placed.luts:,} LUTs")


def fpga_tree(arch: str, area: FpgaArea) -> dict[str, Any]:
    """As JSON."""
    return {
        "arch": arch,
        "device": f"ecp5-{area.device.name}",
        "luts": area.luts,
        "flip_flops": area.flip_flops,
        "multipliers": area.multipliers,
        "block_rams": area.block_rams,
        "excess": area.excess(),
        "fmax_mhz": area.placed.fmax_mhz if area.placed else None,
        "placed_luts": area.placed.luts if area.placed else None,
        "missing": _missing("ecp5"),
    }


def _missing(program: str) -> list[str]:
    line = absent(program)
    return [line] if line else []
