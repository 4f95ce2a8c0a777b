"""The page's table: a row a layer, each cell with the value that it is sorted by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.report.markup import Markup, element
from hwsim.report.tables import bytes_text, energy_text

if TYPE_CHECKING:
    from hwsim.results import Estimate, LayerEstimate, LayerRun, Simulation

__all__ = ["layer_table"]


@dataclass(frozen=True, slots=True)
class _Cell:
    """What is shown and what it is sorted by: text if that is a string."""

    head: str
    shown: str
    value: str | float
    title: str | None = None
    wrong: bool = False


def layer_table(estimate: Estimate, shorts: tuple[str, ...], run: Simulation | None) -> Markup:
    """Figures of every layer, with the RTL's where there is a ``run``; sorted by the page's script."""
    unit = estimate.technology.energy_unit if estimate.technology is not None else "pJ"
    runs: list[LayerRun | None] = list(run.layers) if run is not None else [None] * len(estimate.layers)
    rows = [
        _cells(index, short, layer, estimate.macs_per_cycle, unit, ran)
        for index, (short, layer, ran) in enumerate(zip(shorts, estimate.layers, runs, strict=True))
    ]
    heads = rows[0] if rows else []
    return element(
        "table",
        element("thead", element("tr", *map(_head, heads))),
        element("tbody", *(element("tr", *map(_cell, row)) for row in rows)),
        class_="sortable",
    )


def _cells(index: int, short: str, layer: LayerEstimate, peak: int, unit: str, ran: LayerRun | None) -> list[_Cell]:
    cells = [
        _Cell("#", str(index), index),
        _Cell("layer", short, short, layer.name),
        _Cell("operator", layer.op, layer.op),
        _Cell("MACs", f"{layer.macs:,}", layer.macs),
        _Cell("cycles", f"{layer.cycles:,}", layer.cycles),
        _Cell("ideal", f"{layer.macs / peak:,.0f}", layer.macs / peak),
        _Cell("utilisation", f"{layer.utilization:.1%}", layer.utilization),
        _Cell("DRAM read", bytes_text(layer.dram_read_bytes), layer.dram_read_bytes),
        _Cell("DRAM write", bytes_text(layer.dram_write_bytes), layer.dram_write_bytes),
    ]
    if layer.energy_pj is not None:
        cells.append(_Cell("energy", energy_text(layer.energy_pj.total, unit), layer.energy_pj.total))
    cells.append(_Cell("bound by", layer.bound.replace("_", " "), layer.bound))
    if ran is not None:
        apart = ran.rtl_cycles - ran.model_cycles
        cells.append(_Cell("RTL cycles", f"{ran.rtl_cycles:,}", ran.rtl_cycles, wrong=apart != 0))
        cells.append(_wrong("bytes differing", ran.mismatched_bytes))
        cells.append(_wrong("events differing", len(ran.counter_differences)))
    return cells


def _wrong(head: str, count: int) -> _Cell:
    return _Cell(head, f"{count:,}", count, wrong=count != 0)


def _head(cell: _Cell) -> Markup:
    kind = "text" if isinstance(cell.value, str) else None
    return element("th", element("button", cell.head, type="button"), class_=kind, scope="col")


def _cell(cell: _Cell) -> Markup:
    kinds = [*(["text"] if isinstance(cell.value, str) else []), *(["wrong"] if cell.wrong else [])]
    value = cell.value if isinstance(cell.value, str) else repr(cell.value)
    return element("td", cell.shown, class_=" ".join(kinds) or None, data_value=value, title=cell.title)
