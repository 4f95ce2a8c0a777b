"""Results as one HTML page that needs nothing else: no server, no network, no script to be readable."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from hwsim.report.charts import Bar, Panel, Point, legend, panels, roofline
from hwsim.report.layer_table import layer_table
from hwsim.report.markup import Markup, element
from hwsim.report.names import short_names
from hwsim.report.tables import bytes_text, energy_text

if TYPE_CHECKING:
    from hwsim.results import Estimate, LayerEstimate, Simulation

__all__ = ["document", "estimate_page", "simulation_page"]

BOUNDS = {
    "compute": "the array",
    "dram_read": "reading DRAM",
    "dram_write": "writing DRAM",
    "post": "the output stage",
    "fill_drain": "filling and draining",
    "broadcast": "one activation a cycle",
    "load_imbalance": "PEs that wait for others",
    "host": "the host",
}
"""What binds a layer, in words."""
_COMPONENTS = {"mac": "MACs", "register": "registers", "sram": "SRAM", "dram": "DRAM", "leakage": "leakage"}
_NAMED_POINTS = 5
"""Points of the roofline that bear their names: those with the most cycles."""

_ROOFLINE_NOTES = (
    """Each dot is a layer, as large as its share of the cycles. Under the slope the bus cannot feed the array; under
    the flat roof the array is the limit. A dot far below both waits for neither: its time goes to filling, draining and
    the output stage.""",
    """The slope is one direction of the bus; a layer that reads and writes at once can stand above it, and so can one
    whose data came while an earlier layer ran.""",
)


def estimate_page(estimate: Estimate) -> str:
    """``hwsim estimate --html``."""
    return _page(estimate, None)


def simulation_page(run: Simulation) -> str:
    """``hwsim simulate --html``: as :func:`estimate_page`, and what the RTL said."""
    return _page(run.estimate, run)


def _page(estimate: Estimate, run: Simulation | None) -> str:
    shorts = short_names([layer.name for layer in estimate.layers])
    body = [
        element("h1", f"{estimate.model} on {estimate.arch}"),
        element("p", _subtitle(estimate, run), class_="sub"),
        _verdict(run) if run is not None else None,
        _tiles(estimate, run),
        _layers_section(estimate, shorts),
        _roofline_section(estimate, shorts),
        element(
            "section",
            element("h2", "Layers in figures"),
            element("p", "A click on a column's head sorts by it.", class_="note"),
            element("div", layer_table(estimate, shorts, run), class_="scroll"),
        ),
        element("footer", "Made by hwsim; everything on this page is in this file."),
    ]
    return "<!DOCTYPE html>\n" + document(f"{estimate.model} on {estimate.arch}", element("main", *body)) + "\n"


def document(title: str, body: Markup) -> Markup:
    """A page with the style and script of all reports in it."""
    files = resources.files("hwsim.report")
    style, script = Markup(files.joinpath("page.css").read_text()), Markup(files.joinpath("page.js").read_text())
    # Should text of the model ever become markup, the browser runs no script but ours, and asks for nothing.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", style),
    )
    return element("html", head, element("body", body, element("script", script)), lang="en")


def _subtitle(estimate: Estimate, run: Simulation | None) -> str:
    parts = [
        f"{estimate.fidelity} model",
        f"{estimate.clock_mhz:g} MHz",
        f"{estimate.macs_per_cycle:,} MACs per cycle at most",
    ]
    if estimate.technology is not None:
        tech = estimate.technology
        own = "" if tech.dram == tech.table else f" with {tech.dram.upper()}"
        parts.append(f"energy: {tech.table}{own}" + (f" at {tech.voltage_v:g} V" if tech.voltage_v else ""))
    if run is not None:
        parts.append(f"RTL in {run.simulator}")
    if estimate.host_operators:
        parts.append(f"on the host: {', '.join(estimate.host_operators)}")
    return " · ".join(parts)


def _verdict(run: Simulation) -> Markup:
    if run.agrees:
        text = f"RTL agrees: {run.compared_bytes:,} bytes compared, every byte, cycle and event as predicted."
        return element("section", text, class_="verdict")
    apart = sum(not layer.agrees for layer in run.layers)
    text = (
        f"RTL differs: {run.mismatched_bytes:,} of {run.compared_bytes:,} bytes, "
        f"{run.rtl_cycles - run.model_cycles:+,} cycles, {apart} of {len(run.layers)} layers."
    )
    return element("section", text, class_="verdict bad")


def _tiles(estimate: Estimate, run: Simulation | None) -> Markup:
    totals = estimate.totals()
    tiles = [
        (f"{estimate.cycles:,}", "cycles"),
        (f"{estimate.time_us:,.1f} µs", "time"),
        (f"{estimate.utilization:.1%}", "utilisation"),
        (_count(estimate.macs), "MACs"),
        (bytes_text(totals["dram_read_bytes"]), "DRAM read"),
        (bytes_text(totals["dram_write_bytes"]), "DRAM written"),
    ]
    if totals["energy_pj"] is not None:
        tiles.append((energy_text(totals["energy_pj"], _unit(estimate)), "energy"))
    if totals.get("tops_per_watt") is not None:
        tiles.append((f"{totals['tops_per_watt']:.2f}", "TOPS/W"))
        tiles.append((f"{totals['average_power_mw']:,.1f} mW", "power"))
    if run is not None:
        tiles.append((f"{run.rtl_cycles:,}", "cycles in RTL"))
    return element(
        "div",
        *(element("div", element("b", n), element("span", what), class_="tile") for n, what in tiles),
        class_="tiles",
    )


def _count(number: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:,}"


def _unit(estimate: Estimate) -> str:
    return estimate.technology.energy_unit if estimate.technology is not None else "pJ"


def _layers_section(estimate: Estimate, shorts: tuple[str, ...]) -> Markup:
    layers = estimate.layers
    given = [_cycles_panel(estimate), _utilization_panel(layers)]
    keys = [
        (kind, f"bound by {words}") for kind, words in BOUNDS.items() if any(layer.bound == kind for layer in layers)
    ]
    legends = [legend([*keys, ("ideal", "ideal: every MAC of the array, every cycle")])]
    if any(layer.energy_pj is not None for layer in layers):
        given.append(_energy_panel(layers, _unit(estimate)))
        legends.append(legend([(kind, f"energy of {words}") for kind, words in _COMPONENTS.items()]))
    names = [(short, layer.name) for short, layer in zip(shorts, layers, strict=True)]
    overlap = (
        "A layer's cycles run from the end of the one before it: one whose work began before that can pass 100 %."
        if any(layer.utilization > 1 for layer in layers)
        else None
    )
    note = element("p", overlap, class_="note") if overlap else None
    return element(
        "section",
        element("h2", "Layer by layer"),
        *legends,
        note,
        element("div", panels(names, given), class_="scroll"),
    )


def _cycles_panel(estimate: Estimate) -> Panel:
    def bar(layer: LayerEstimate) -> Bar:
        ideal = layer.macs / estimate.macs_per_cycle
        bound = BOUNDS.get(layer.bound, layer.bound)
        title = f"{layer.name}\n{layer.cycles:,} cycles, ideal {ideal:,.0f}; bound by {bound}"
        return Bar(parts=((_kind(layer), layer.cycles),), text=f"{layer.cycles:,}", title=title, mark=ideal or None)

    return Panel(title="Cycles against ideal", unit="cycles", bars=tuple(map(bar, estimate.layers)), weight=1.3)


def _utilization_panel(layers: tuple[LayerEstimate, ...]) -> Panel:
    def bar(layer: LayerEstimate) -> Bar:
        title = f"{layer.name}\n{layer.macs:,} MACs in {layer.cycles:,} cycles"
        return Bar(parts=((_kind(layer), layer.utilization),), text=f"{layer.utilization:.0%}", title=title)

    return Panel(
        title="Utilisation", unit="MACs made, of those possible", bars=tuple(map(bar, layers)), most=1.0, weight=0.8
    )


def _energy_panel(layers: tuple[LayerEstimate, ...], unit: str) -> Panel:
    def bar(layer: LayerEstimate) -> Bar:
        energy = layer.energy_pj
        if energy is None:
            return Bar(parts=(), text="", title=f"{layer.name}\nnot estimated")
        parts = tuple((kind, getattr(energy, kind)) for kind in _COMPONENTS)
        words = "\n".join(f"{_COMPONENTS[kind]}: {energy_text(amount, unit)}" for kind, amount in parts)
        return Bar(parts=parts, text=energy_text(energy.total, unit), title=f"{layer.name}\n{words}")

    return Panel(title="Energy", unit="by where it goes", bars=tuple(map(bar, layers)), weight=1.2)


def _kind(layer: LayerEstimate) -> str:
    return layer.bound if layer.bound in BOUNDS else "other"


def _roofline_section(estimate: Estimate, shorts: tuple[str, ...]) -> Markup | None:
    shown = [
        (short, layer) for short, layer in zip(shorts, estimate.layers, strict=True) if layer.macs and layer.cycles
    ]
    shown = [(short, layer) for short, layer in shown if layer.dram_read_bytes + layer.dram_write_bytes]
    if not shown:
        return None
    named = {layer.name for _, layer in sorted(shown, key=lambda item: -item[1].cycles)[:_NAMED_POINTS]}
    points = [_point(estimate, short, layer, layer.name in named) for short, layer in shown]
    peak = float(estimate.macs_per_cycle)
    chart = roofline(points, peak, estimate.dram_bytes_per_cycle)
    missing = len(estimate.layers) - len(shown)
    left_out = (
        f"Without MACs, cycles or DRAM traffic of their own, and so not here: {missing} of {len(estimate.layers)}."
    )
    notes = (*_ROOFLINE_NOTES, left_out if missing else None)
    texts = element("div", *(element("p", note, class_="note") for note in notes if note))
    return element("section", element("h2", "Roofline"), element("div", chart, texts, class_="pair"))


def _point(estimate: Estimate, short: str, layer: LayerEstimate, named: bool) -> Point:
    intensity = layer.macs / (layer.dram_read_bytes + layer.dram_write_bytes)
    achieved = layer.macs / layer.cycles
    return Point(
        intensity=intensity,
        achieved=achieved,
        share=layer.cycles / estimate.cycles if estimate.cycles else 0.0,
        kind=_kind(layer),
        title=f"{layer.name}\n{intensity:,.1f} MACs per byte, {achieved:,.1f} MACs per cycle",
        label=short if named else None,
    )
