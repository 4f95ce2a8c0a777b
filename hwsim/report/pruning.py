"""``hwsim prune``: its table, and its page with the energy of every layer before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hwsim.report.charts import Bar, Panel, panels
from hwsim.report.html import document
from hwsim.report.markup import Markup, element
from hwsim.report.names import short_names
from hwsim.report.tables import energy_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hwsim.codesign.report import LayerSaving, PruneReport

__all__ = ["pruning_page", "pruning_table"]


def pruning_table(report: PruneReport) -> Table:
    """Energy, cycles and weights of every layer, before and after."""
    title = f"{report.model} pruned for {report.arch} ({report.settings.method}, {report.settings.objective})"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, caption_justify="left")
    table.add_column("layer", overflow="fold", min_width=10)
    for name in ("energy\nbefore", "after", "cycles\nbefore", "after", "weights\nbefore", "after"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, layer in zip(short_names([layer.name for layer in report.layers]), report.layers, strict=True):
        table.add_row(
            Text(name),
            energy_text(layer.energy_pj_before, "pJ"),
            energy_text(layer.energy_pj_after, "pJ"),
            *(f"{layer.cycles_before:,}", f"{layer.cycles_after:,}"),
            *(_count(layer.weights_before), _count(layer.weights_after)),
        )
    (energy, left), (cycles, fewer), (weights, kept) = report.energy_pj, report.cycles, report.weights
    table.add_section()
    table.add_row(
        "total",
        *(energy_text(energy, "pJ"), energy_text(left, "pJ"), f"{cycles:,}", f"{fewer:,}", f"{weights:,}", f"{kept:,}"),
        style="bold",
    )
    table.caption = Text("\n".join(_notes(report)))
    return table


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _notes(report: PruneReport) -> list[str]:
    (energy, left), (cycles, fewer) = report.energy_pj, report.cycles
    accuracy = (
        f"accuracy on validation data {report.accuracy_before:.2%} → {report.accuracy_after:.2%} "
        f"(floor {report.accuracy_before - report.settings.max_loss:.2%}), "
        f"on test data {report.test_accuracy_before:.2%} → {report.test_accuracy_after:.2%}"
    )
    return [
        f"energy ÷ {energy / left:.2f}, cycles ÷ {cycles / max(fewer, 1):.2f}",
        accuracy,
        f"{sum(r.accepted for r in report.rounds)} of {len(report.rounds)} rounds held the floor",
    ]


def pruning_page(report: PruneReport) -> str:
    """``hwsim prune --html``."""
    shorts = short_names([layer.name for layer in report.layers])
    names = [(short, layer.name) for short, layer in zip(shorts, report.layers, strict=True)]
    title = f"{report.model} pruned for {report.arch}"
    body = [
        element("h1", title),
        element("p", " · ".join(_notes(report)), class_="sub"),
        element(
            "section",
            element("h2", "Layers before and after"),
            element("div", panels(names, _charts(report)), class_="scroll"),
        ),
        element("section", element("h2", "Rounds"), element("div", _rounds(report), class_="scroll")),
        element("section", element("h2", "Steps"), element("div", _steps(report), class_="scroll")),
        element("footer", "Made by hwsim; everything on this page is in this file."),
    ]
    return "<!DOCTYPE html>\n" + document(title, element("main", *body)) + "\n"


def _charts(report: PruneReport) -> list[Panel]:
    def energy(pj: float) -> str:
        return energy_text(pj, "pJ")

    most = max((layer.energy_pj_before for layer in report.layers), default=1.0)
    longest = float(max((layer.cycles_before for layer in report.layers), default=1))
    return [
        _panel("Energy before", "", report.layers, lambda la: la.energy_pj_before, energy, most),
        _panel("Energy after", "same scale", report.layers, lambda la: la.energy_pj_after, energy, most),
        _panel("Cycles before", "", report.layers, lambda la: la.cycles_before, lambda c: f"{c:,.0f}", longest),
        _panel("Cycles after", "same scale", report.layers, lambda la: la.cycles_after, lambda c: f"{c:,.0f}", longest),
    ]


def _panel(
    title: str,
    unit: str,
    layers: Sequence[LayerSaving],
    value: Callable[[LayerSaving], float],
    text: Callable[[float], str],
    most: float,
) -> Panel:
    bars = tuple(
        Bar(parts=(("compute", value(la)),), text=text(value(la)), title=f"{la.name}\n{text(value(la))}")
        for la in layers
    )
    return Panel(title=title, unit=unit, bars=bars, most=most or 1.0)


def _rounds(report: PruneReport) -> Markup:
    head = ("round", "strength", "accuracy before tuning", "after", report.settings.objective, "floor")
    rows = [
        (
            str(r.round + 1),
            f"{r.strength:.3g}",
            f"{r.accuracy_before_tuning:.2%}",
            f"{r.accuracy:.2%}",
            f"{r.value:,.4g}",
            "held" if r.accepted else "missed: undone",
        )
        for r in report.rounds
    ]
    return _table(head, rows)


def _steps(report: PruneReport) -> Markup:
    head = (
        "round",
        "target",
        "share",
        "kept",
        "error: by magnitude",
        "restored",
        "refitted",
        report.settings.objective,
    )
    rows = [
        (
            str(s.round + 1),
            s.target,
            f"{s.share:.1%}",
            f"{s.kept:,} of {s.before:,}",
            *(f"{error:.2%}" for error in (s.removed_error, s.restored_error, s.fitted_error)),
            f"{s.value_before:,.4g} → {s.value_after:,.4g}",
        )
        for s in report.steps
    ]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    return element(
        "table",
        element("thead", element("tr", *(element("th", name) for name in head))),
        element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows)),
    )
