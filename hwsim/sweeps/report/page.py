"""A sweep as one HTML page that needs nothing else: linked views over its points, drawn by its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from hwsim.report.markup import Markup, element
from hwsim.sweeps.metrics import METRICS
from hwsim.sweeps.report.provenance import provenance
from hwsim.sweeps.report.terminal import short_settings
from hwsim.sweeps.results import feasible_points
from hwsim.sweeps.space.parameter import Follows

if TYPE_CHECKING:
    from hwsim.sweeps.results import SweepResult
    from hwsim.sweeps.storage.study import StoredPoint

__all__ = ["MOST_POINTS", "sweep_page"]

MOST_POINTS = 20_000
"""Points on a page. All of those on fronts are; of the others, evenly spread ones."""
_MOST_LAYERS = 300
"""Points whose layers are on a page: of each front, those that span it first."""
_MOST_FRONTS = 4
"""That are told one by one; of more, the page's views tell."""


def sweep_page(result: SweepResult, command: str) -> str:
    """``hwsim sweep --html``; ``command`` is what computes one point again, an id apart."""
    title = f"{result.specification.file.name}: {len(result.points):,} points"
    shown = _shown(result)
    main = element(
        "main",
        element("h1", title),
        element("p", _subtitle(result, len(shown)), class_="sub"),
        element("p", " ".join(provenance(result)), class_="sub"),
        element("p", result.specification.file.description) if result.specification.file.description else None,
        _failures(result),
        _filters(),
        element("div", _scatter(), _heat(), _parallel(), _detail(), class_="views"),
        element("footer", "Made by hwsim; everything on this page is in this file."),
    )
    return "<!DOCTYPE html>\n" + _document(title, main, _data(result, shown, command)) + "\n"


def _document(title: str, main: Markup, data: dict[str, Any]) -> Markup:
    own, shared = resources.files("hwsim.sweeps.report"), resources.files("hwsim.report")
    style = Markup(shared.joinpath("page.css").read_text() + own.joinpath("page.css").read_text())
    script = Markup(own.joinpath("page.js").read_text())
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
    # A block of data is no script, and ends at no tag in it: JSON can write every "<" another way.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    block = element("script", Markup(text), type="application/json", id="data")
    return element("html", head, element("body", main, block, element("script", script)), lang="en")


def _subtitle(result: SweepResult, shown: int) -> str:
    file = result.specification.file
    parts = [f"fidelity {file.fidelity}", f"search: {file.search.sampler}"]
    if len(result.fronts) > _MOST_FRONTS:
        parts.append(f"{sum(len(front.ids) for front in result.fronts):,} points on {len(result.fronts)} fronts")
    else:
        parts += [
            f"{front.group or 'front'}: {len(front.ids):,} on the front, knee {front.knee}, "
            f"hypervolume {front.hypervolume:.5g}"
            for front in result.fronts
        ]
    if result.rechecked:
        parts.append(f"{len(result.rechecked):,} checked again by the cycle model")
    if result.verified:
        agree = sum(point.state == "done" for point in result.verified.values())
        parts.append(f"{agree} of {len(result.verified)} in RTL agree")
    if shown < len(result.points):
        parts.append(f"{shown:,} points shown, those on fronts among them")
    return " · ".join(parts)


def _failures(result: SweepResult) -> Markup | None:
    failed = result.failed()
    if not failed:
        return None
    reasons: dict[str, int] = {}
    for point in failed:
        reasons[point.reason] = reasons.get(point.reason, 0) + 1
    lines = [element("li", f"{count:,} × {reason}") for reason, count in list(reasons.items())[:10]]
    return element("section", f"{len(failed):,} points failed", element("ul", *lines), class_="verdict bad")


def _select(name: str, text: str) -> Markup:
    return element("label", text, element("select", id=name))


def _filters() -> Markup:
    return element(
        "section",
        element(
            "div",
            _select("model", "model"),
            element("span", id="limits", class_="bar", style="margin:0"),
            element("button", "clear", id="clear", class_="plain", type="button"),
            element("b", id="shown"),
            class_="bar",
            style="margin:0",
        ),
    )


def _scatter() -> Markup:
    keys = (("front", "on the front of all objectives"), ("rest", "others"), ("chosen", "chosen"))
    legend = [element("span", element("i", class_=f"key {kind}"), text) for kind, text in keys]
    return element(
        "section",
        element("h2", "Trade-off"),
        element("div", _select("x", "across"), _select("y", "up"), class_="bar"),
        element("div", *legend, class_="legend"),
        element("canvas", id="scatter"),
        element("p", "The line is the front of these two figures alone. A click chooses a point.", class_="note"),
    )


def _heat() -> Markup:
    selects = (_select("heat-figure", "best"), _select("heat-row", "for each"), _select("heat-col", "and"))
    return element(
        "section",
        element("h2", "Best of each pair"),
        element("div", *selects, class_="bar"),
        element("div", element("table", id="heat", class_="heat"), class_="scroll"),
    )


def _parallel() -> Markup:
    note = "A line is a point. Dragging along an axis keeps the points that pass there; a click on it lets go."
    return element(
        "section",
        element("h2", "All at once"),
        element("p", note, class_="note"),
        element("canvas", id="parallel"),
        class_="wide",
    )


def _detail() -> Markup:
    return element("section", element("h2", "The chosen point"), element("div", id="detail"), class_="wide")


def _shown(result: SweepResult) -> list[StoredPoint]:
    points = list(result.points)
    if len(points) <= MOST_POINTS:
        return points
    on_front = {id_ for front in result.fronts for id_ in front.ids}
    others = [point for point in points if point.id not in on_front]
    room = max(0, MOST_POINTS - len(on_front))
    # Points are in the order of their ids, which are hashes: every n-th is a fair sample.
    every = -(-len(others) // room) if room else len(others) + 1
    return [point for point in points if point.id in on_front] + others[::every]


def _data(result: SweepResult, shown: list[StoredPoint], command: str) -> dict[str, Any]:
    specification = result.specification
    space, file = specification.space, specification.file
    on_front = {id_ for front in result.fronts for id_ in front.ids}
    effective = [space.effective(point.assignment) for point in shown]
    columns: dict[str, list[Any]] = {
        "id": [point.id for point in shown],
        "model": [str(values["model"]) for values in effective],
        "state": [point.state for point in shown],
        "reason": [point.reason for point in shown],
        "front": [point.id in on_front for point in shown],
        "feasible": feasible_points(specification, shown).tolist(),
    }
    names = [p.name for p in space.parameters if not isinstance(p, Follows) and p.name != "model"]
    settings = []
    for index, (name, short) in enumerate(zip(names, short_settings(names), strict=True)):
        columns[f"s{index}"] = [values.get(name) for values in effective]
        varies = len({str(value) for value in columns[f"s{index}"]}) > 1
        recipe = name.startswith("recipe.")
        settings.append({"column": f"s{index}", "label": name, "short": short, "axis": varies, "recipe": recipe})
    figures = []
    for name, metric in METRICS.items():
        values = [point.metrics.get(name) for point in shown]
        if any(value is not None for value in values):
            columns[name] = [None if value is None else float(f"{value:.6g}") for value in values]
            figures.append(
                {
                    "column": name,
                    "label": metric.label,
                    "short": metric.title,
                    "maximise": metric.maximise,
                    "axis": name in file.objectives,
                }
            )
    return {
        "points": columns,
        "settings": settings,
        "figures": figures,
        "objectives": list(file.objectives),
        # Where each model has a front of its own, one is shown at a time.
        "model": result.fronts[0].group if result.fronts else "",
        "chosen": next((front.knee for front in result.fronts), None),
        "layers": _layers(result),
        "rechecked": {id_: point.metrics for id_, point in result.rechecked.items()},
        "verified": {id_: point.metrics for id_, point in result.verified.items()},
        "command": command,
    }


def _layers(result: SweepResult) -> dict[str, list[dict[str, Any]]]:
    # Points with equal figures are not all in the spread.
    orders = [list(dict.fromkeys([*front.spread, *front.ids])) for front in result.fronts]
    chosen = [id_ for order in orders for id_ in order[:_MOST_LAYERS]]
    return {id_: result.layers[id_] for id_ in chosen if id_ in result.layers}
