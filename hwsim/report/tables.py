"""Results as rich tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.results import Estimate, Simulation

__all__ = ["architectures_table", "estimate_table", "simulation_table"]


def estimate_table(estimate: Estimate) -> Table:
    """Cycles, utilisation and traffic, layer by layer."""
    energy = all(layer.energy_pj is not None for layer in estimate.layers) and bool(estimate.layers)
    table = _table(f"{estimate.model} on {estimate.arch} at {estimate.clock_mhz:g} MHz ({estimate.fidelity} model)")
    table.add_column("layer", overflow="fold")
    table.add_column("operator")
    for name in ("MACs", "cycles", "utilisation", "DRAM read", "DRAM write"):
        table.add_column(name, justify="right")
    if energy:
        table.add_column("energy", justify="right")
    table.add_column("bound by")
    for layer in estimate.layers:
        cells = [
            *(layer.name, layer.op, f"{layer.macs:,}", f"{layer.cycles:,}", f"{layer.utilization:.1%}"),
            *(_bytes(layer.dram_read_bytes), _bytes(layer.dram_write_bytes)),
        ]
        if layer.energy_pj is not None and energy:
            cells.append(_energy(layer.energy_pj.total))
        table.add_row(*cells, layer.bound)
    totals = estimate.totals()
    table.add_section()
    cells = [
        *("total", f"{estimate.time_us:,.1f} µs", f"{estimate.macs:,}", f"{estimate.cycles:,}"),
        *(f"{estimate.utilization:.1%}", _bytes(totals["dram_read_bytes"]), _bytes(totals["dram_write_bytes"])),
    ]
    if energy:
        cells.append(_energy(totals["energy_pj"]))
    table.add_row(*cells, "", style="bold")
    if estimate.host_operators:
        table.caption = f"on the host: {', '.join(estimate.host_operators)}"
    return table


def simulation_table(run: Simulation) -> Table:
    """RTL beside model and reference, layer by layer."""
    table = _table(f"{run.estimate.model} on {run.estimate.arch}, RTL in {run.simulator}")
    table.add_column("layer", overflow="fold")
    table.add_column("operator")
    for name in ("MACs", "RTL cycles", "model cycles", "utilisation", "counters differing", "bytes differing"):
        table.add_column(name, justify="right")
    for layer in run.layers:
        table.add_row(
            layer.estimate.name,
            layer.estimate.op,
            f"{layer.estimate.macs:,}",
            f"{layer.rtl_cycles:,}",
            _beside(layer.model_cycles, layer.rtl_cycles),
            f"{layer.estimate.utilization:.1%}",
            _zero(len(layer.counter_differences)),
            _zero(layer.mismatched_bytes),
        )
    table.add_section()
    table.add_row(
        "total",
        f"{run.rtl_cycles / run.estimate.clock_mhz:,.1f} µs",
        f"{run.estimate.macs:,}",
        f"{run.rtl_cycles:,}",
        _beside(run.model_cycles, run.rtl_cycles),
        f"{run.estimate.utilization:.1%}",
        _zero(sum(len(layer.counter_differences) for layer in run.layers)),
        _zero(run.mismatched_bytes),
        style="bold",
    )
    built = f"compiled in {run.build_s:.1f} s, " if run.build_s else ""
    table.caption = (
        f"{built}simulated in {run.wall_s:.1f} s ({run.rtl_cycles / max(run.wall_s, 1e-9) / 1e3:,.0f} k cycles/s); "
        f"{run.compared_bytes:,} bytes compared"
    )
    if run.estimate.host_operators:
        table.caption += f"; on the host: {', '.join(run.estimate.host_operators)}"
    return table


def architectures_table(rows: Sequence[tuple[str, ...]], columns: Sequence[str]) -> Table:
    """Presets, one a row; the first column is the name."""
    table = _table("architectures")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", caption_justify="left", header_style="bold")


def _beside(model: int, rtl: int) -> Text:
    return Text(f"{model:,}", style="green" if model == rtl else "bold red")


def _zero(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "green")


def _bytes(count: int) -> str:
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"


def _energy(picojoules: float) -> str:
    for unit, size in (("mJ", 1e9), ("µJ", 1e6), ("nJ", 1e3)):
        if picojoules >= size:
            return f"{picojoules / size:,.2f} {unit}"
    return f"{picojoules:.1f} pJ"
