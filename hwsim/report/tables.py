"""Results as rich tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hwsim.report.names import short_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.results import Estimate, Simulation
    from hwsim.scalesim import Comparison

__all__ = [
    "architectures_table",
    "beside",
    "bytes_text",
    "energy_text",
    "estimate_table",
    "scalesim_table",
    "simulation_table",
    "zero",
]


def estimate_table(estimate: Estimate) -> Table:
    """Cycles, utilisation and traffic, layer by layer."""
    energy = all(layer.energy_pj is not None for layer in estimate.layers) and bool(estimate.layers)
    unit = estimate.technology.energy_unit if estimate.technology is not None else "pJ"
    table = _table(f"{estimate.model} on {estimate.arch} at {estimate.clock_mhz:g} MHz ({estimate.fidelity} model)")
    table.add_column("layer", overflow="fold", min_width=10)
    table.add_column("operator", overflow="fold", min_width=5)
    sparse = any(layer.engine == "sparse" for layer in estimate.layers)
    if sparse:
        table.add_column("engine", no_wrap=True)
    done = ("MACs\ndone",) if sparse else ()
    for name in ("MACs", *done, "cycles", "array\nuse", "DRAM\nread", "DRAM\nwrite"):
        table.add_column(name, justify="right", no_wrap=True)
    if energy:
        table.add_column("energy", justify="right", no_wrap=True)
    table.add_column("bound by", overflow="fold", min_width=7)
    for name, layer in zip(short_names([layer.name for layer in estimate.layers]), estimate.layers, strict=True):
        cells: list[str | Text] = [
            *(Text(name), Text(layer.op), *((layer.engine,) if sparse else ()), f"{layer.macs:,}"),
            *((f"{layer.effective_macs:,}",) if sparse else ()),
            *(f"{layer.cycles:,}", f"{layer.utilization:.1%}"),
            *(bytes_text(layer.dram_read_bytes), bytes_text(layer.dram_write_bytes)),
        ]
        if layer.energy_pj is not None and energy:
            cells.append(energy_text(layer.energy_pj.total, unit))
        table.add_row(*cells, layer.bound)
    totals = estimate.totals()
    table.add_section()
    cells = [
        *("total", f"{estimate.time_us:,.1f} µs", *(("",) if sparse else ()), f"{estimate.macs:,}"),
        *((f"{estimate.effective_macs:,}",) if sparse else ()),
        f"{estimate.cycles:,}",
        *(f"{estimate.utilization:.1%}", bytes_text(totals["dram_read_bytes"]), bytes_text(totals["dram_write_bytes"])),
    ]
    if energy:
        cells.append(energy_text(totals["energy_pj"], unit))
    table.add_row(*cells, "", style="bold")
    notes = _energy_notes(estimate, totals) if energy else []
    if estimate.host_operators:
        notes.append(_on_the_host(estimate))
    notes += _coded(estimate)
    notes += [*_formats(estimate, unit), *estimate.notes]
    table.caption = Text("\n".join(notes)) if notes else None
    return table


_MOST_NAMED = 8
"""Host operators that are told by name; more are counted by kind."""


def _on_the_host(estimate: Estimate) -> str:
    steps, names = estimate.host_steps, estimate.host_operators
    if len(steps) > _MOST_NAMED:
        names = tuple(f"{count} {op}" for op, count in Counter(step.op for step in steps).items())
    if not steps:
        return f"on the host: {', '.join(names)}"
    read, written = (sum(sizes) for sizes in zip(*((s.read_bytes, s.write_bytes) for s in steps), strict=True))
    return f"on the host: {', '.join(names)}; reads {bytes_text(read)}, writes {bytes_text(written)}"


def _coded(estimate: Estimate) -> list[str]:
    """What Huffman-coded weights would take to load, where there is a decoder to ask it of."""
    found = [layer.coded_weights for layer in estimate.layers if layer.coded_weights is not None]
    if not found:
        return []
    plain, coded, cycles, coded_cycles = (
        sum(amount * weights.loads for amount, weights in zip(amounts, found, strict=True))
        for amounts in zip(*((w.bytes, w.coded_bytes, w.cycles, w.coded_cycles) for w in found), strict=True)
    )
    note = (
        f"sparse weights Huffman-coded, by a model (the RTL loads them as they are): {bytes_text(coded)} in place of "
        f"{bytes_text(plain)}, loaded in {coded_cycles:,} cycles in place of {cycles:,}, the bus to themselves"
    )
    return [note]


def _energy_notes(estimate: Estimate, totals: dict[str, Any]) -> list[str]:
    """What the energy is of, where it goes, and what follows from it."""
    total = totals["energy_pj"]
    parts = {name: pj for name, pj in totals["energy_by_component_pj"].items() if name != "total"}
    notes = ["energy: " + ", ".join(f"{name} {pj / total:.1%}" for name, pj in parts.items())] if total else []
    if totals["average_power_mw"] is not None:
        notes[-1] += f"; {totals['average_power_mw']:,.1f} mW, {totals['tops_per_watt']:.3f} TOPS/W"
        # Energy times delay: 1 pJ in 1 us is 1e-18 J s.
        notes[-1] += f", EDP {totals['energy_delay_pj_us'] / 1e12:.4g} µJ s"
    if estimate.technology is not None:
        tech = estimate.technology
        supply = f" at {tech.voltage_v:g} V" if tech.voltage_v else ""
        own = "its own" if tech.dram == tech.table else tech.dram.upper()
        notes.append(f"technology: {tech.table}{supply}, DRAM {own}")
    return notes


def _formats(estimate: Estimate, unit: str) -> list[str]:
    """Which layers' weights have a format that there is no PE for, and what they would cost on one."""
    found = [la for la in estimate.layers if la.weight_format is not None and la.weight_format.energy_pj is not None]
    if not found:
        return []
    lines = []
    for name in dict.fromkeys(la.weight_format.name for la in found if la.weight_format):
        mine = [la for la in found if la.weight_format and la.weight_format.name == name]
        own = sum(la.weight_format.energy_pj.total for la in mine if la.weight_format and la.weight_format.energy_pj)
        here = sum(la.energy_pj.total for la in mine if la.energy_pj)
        runs = "two planes" if here == own else f"run as int8 for {energy_text(here, unit)}"
        names = ", ".join(short_names([la.name for la in mine]))
        lines.append(
            f"weights in {name} (no PE: estimated): {names}: {energy_text(own, unit)} on PEs of their own; {runs}"
        )
    return lines


def simulation_table(run: Simulation) -> Table:
    """RTL beside model and reference, layer by layer."""
    table = _table(f"{run.estimate.model} on {run.estimate.arch}, RTL in {run.simulator}")
    table.add_column("layer", overflow="fold", min_width=10)
    table.add_column("operator", overflow="fold", min_width=5)
    for name in ("MACs", "RTL\ncycles", "model\ncycles", "array\nuse", "events\ndiffering", "bytes\ndiffering"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, layer in zip(short_names([layer.estimate.name for layer in run.layers]), run.layers, strict=True):
        table.add_row(
            Text(name),
            Text(layer.estimate.op),
            f"{layer.estimate.macs:,}",
            f"{layer.rtl_cycles:,}",
            beside(layer.model_cycles, layer.rtl_cycles),
            f"{layer.estimate.utilization:.1%}",
            zero(len(layer.counter_differences)),
            zero(layer.mismatched_bytes),
        )
    table.add_section()
    table.add_row(
        "total",
        f"{run.rtl_cycles / run.estimate.clock_mhz:,.1f} µs",
        f"{run.estimate.macs:,}",
        f"{run.rtl_cycles:,}",
        beside(run.model_cycles, run.rtl_cycles),
        f"{run.estimate.utilization:.1%}",
        zero(sum(len(layer.counter_differences) for layer in run.layers)),
        zero(run.mismatched_bytes),
        style="bold",
    )
    built = f"compiled in {run.build_s:.1f} s, " if run.build_s else ""
    caption = (
        f"{built}simulated in {run.wall_s:.1f} s ({run.rtl_cycles / max(run.wall_s, 1e-9) / 1e3:,.0f} k cycles/s); "
        f"{run.compared_bytes:,} bytes compared"
    )
    if run.estimate.host_operators:
        caption += f"; on the host: {', '.join(run.estimate.host_operators)}"
    table.caption = Text("\n".join([caption, *_coded(run.estimate)]))
    return table


def scalesim_table(comparison: Comparison) -> Table:
    """SCALE-Sim's cycles beside ours, layer by layer; red where ours, without memory, are more than its."""
    c = comparison
    table = _table(f"{c.model} on {c.arch}, {c.rows} x {c.cols}: cycles of SCALE-Sim's closed forms beside ours")
    table.add_column("layer", overflow="fold", min_width=10)
    table.add_column("m x k x n", justify="right", no_wrap=True)
    for name in ("ws", "os", "is", "our array", "with memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, layer in zip(short_names([layer.name for layer in c.layers]), c.layers, strict=True):
        p = layer.product
        sizes = f"{p.m} x {p.k} x {p.n}" + (f" x {p.groups}" if p.groups > 1 else "")
        theirs = layer.scalesim
        more = layer.array is not None and layer.array > theirs[c.dataflow]
        table.add_row(
            Text(name),
            sizes,
            *(f"{theirs[dataflow]:,}" for dataflow in ("ws", "os", "is")),
            Text("-" if layer.array is None else f"{layer.array:,}", style="bold red" if more else "green"),
            f"{layer.cycles:,}",
        )
    table.add_section()
    total = [sum(layer.scalesim[dataflow] for layer in c.layers) for dataflow in ("ws", "os", "is")]
    ours = sum(layer.array or 0 for layer in c.layers), sum(layer.cycles for layer in c.layers)
    table.add_row("total", "", *(f"{cycles:,}" for cycles in (*total, *ours)), style="bold")
    table.caption = f"our array is {c.dataflow}, operands in the scratchpads; 'with memory' is the whole accelerator"
    return table


def architectures_table(rows: Sequence[tuple[str, ...]], columns: Sequence[str]) -> Table:
    """Presets, one a row; the first column is the name."""
    table = _table("architectures")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=not index)
    for row in rows:
        table.add_row(*row)
    return table


def _table(title: str) -> Table:
    # As Text: the name of a model, too, may hold what rich takes for markup.
    return Table(
        title=Text(title),
        title_justify="left",
        caption_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def beside(model: int, rtl: int) -> Text:
    """The model's figure, in green where it is the hardware's."""
    return Text(f"{model:,}", style="green" if model == rtl else "bold red")


def zero(count: int) -> Text:
    """A count that ought to be 0."""
    return Text(f"{count:,}", style="bold red" if count else "green")


def bytes_text(count: int) -> str:
    """With a binary unit."""
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"


_ENERGY_UNITS = {
    "pJ": (("mJ", 1e9), ("µJ", 1e6), ("nJ", 1e3)),
    "MAC": (("GMAC", 1e9), ("MMAC", 1e6), ("kMAC", 1e3)),
}
"""Multiples of a table's unit."""


def energy_text(amount: float, unit: str) -> str:
    """With the multiple of the table's unit that suits."""
    for name, size in _ENERGY_UNITS[unit]:
        if amount >= size:
            return f"{amount / size:,.2f} {name}"
    return f"{amount:.1f} {unit}"
