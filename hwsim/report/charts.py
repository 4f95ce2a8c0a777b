"""The page's charts, as SVG: drawn here, coloured by the page's style sheet, readable without a script."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.report.markup import Markup, element, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Bar", "Panel", "Point", "legend", "panels", "roofline"]

ROW = 22
"""Height of a layer's row."""
_LABEL, _GAP, _HEAD = 178, 26, 44
_WIDTH = 1080


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One layer in one panel."""

    parts: tuple[tuple[str, float], ...]
    """Class of the style sheet and length of each part, from the left."""
    text: str
    """Behind the bar."""
    title: str
    """Shown when the pointer rests there."""
    mark: float | None = None
    """Where a tick is drawn across the bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One figure of every layer, as bars from the left."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    most: float | None = None
    """Value at the right end; that of the longest bar without it."""
    weight: float = 1.0
    """Share of the width."""


def panels(names: Sequence[tuple[str, str]], given: Sequence[Panel]) -> Markup:
    """Panels side by side over the same rows; ``names`` are the rows' short and full names."""
    height = _HEAD + ROW * len(names) + 6
    room = _WIDTH - _LABEL - _GAP * len(given)
    total = sum(panel.weight for panel in given)
    drawn: list[Markup] = []
    for row, (short, full) in enumerate(names):
        y = _HEAD + ROW * row
        if row % 2 == 0:
            drawn.append(element("rect", class_="band", x=0, y=y, width=_WIDTH, height=ROW))
        label = element(
            "text", element("title", full), short, class_="label", x=_LABEL - 8, y=y + 15, text_anchor="end"
        )
        drawn.append(label)
    x = float(_LABEL)
    for panel in given:
        width = room * panel.weight / total
        drawn.append(_panel(panel, x, width, height))
        x += width + _GAP
    return _svg(_WIDTH, height, "figures of every layer, side by side", drawn)


def _panel(panel: Panel, x: float, width: float, height: float) -> Markup:
    # Room for the figure behind the longest bar.
    length = width - 58
    most = panel.most or max((sum(v for _, v in bar.parts) for bar in panel.bars), default=0.0) or 1.0
    drawn = [
        element("text", panel.title, class_="head", x=x, y=16),
        element("text", panel.unit, class_="unit", x=x, y=33),
        element("line", class_="axis", x1=x, x2=x, y1=_HEAD - 4, y2=height - 4),
    ]
    for row, bar in enumerate(panel.bars):
        y = _HEAD + ROW * row
        at = x
        shapes = []
        for kind, value in bar.parts:
            wide = length * min(value / most, 1.0)
            shapes.append(element("rect", class_=f"bar {kind}", x=at, y=y + 4, width=max(wide, 0.0), height=ROW - 8))
            at += wide
        if bar.mark is not None:
            tick = x + length * min(bar.mark / most, 1.0)
            shapes.append(element("line", class_="mark", x1=tick, x2=tick, y1=y + 1, y2=y + ROW - 1))
            at = max(at, tick)
        shapes.append(element("text", bar.text, class_="value", x=at + 6, y=y + 15))
        # Without something to point at, a layer without a bar has no title.
        shapes.append(element("rect", class_="target", x=x, y=y, width=width, height=ROW))
        drawn.append(element("g", element("title", bar.title), *shapes))
    return joined(*drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One layer under the roof."""

    intensity: float
    """MACs a byte of DRAM traffic."""
    achieved: float
    """MACs a cycle."""
    share: float
    """Of the network's cycles: its area."""
    kind: str
    """Class of the style sheet."""
    title: str
    label: str | None = None
    """Beside the point, if it is worth it."""


_PLOT_W, _PLOT_H = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 30, 14, 44
_Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge."""
_LETTER = 6.6
"""Width of a letter of a name, about."""


def roofline(points: Sequence[Point], peak: float, bytes_per_cycle: float | None) -> Markup:
    """MACs a byte of DRAM traffic against MACs a cycle, both logarithmic, under the array's and the bus's roof."""
    ridge = peak / bytes_per_cycle if bytes_per_cycle else 1.0
    xs = [p.intensity for p in points] + [ridge]
    ys = [p.achieved for p in points if p.achieved > 0] + [peak]
    left, right = _decade(min(xs) / 1.5, math.floor), _decade(max(xs) * 1.5, math.ceil)
    low, high = _decade(min(ys) / 1.2, math.floor), _decade(peak * 1.2, math.ceil)

    def x(value: float) -> float:
        return _LEFT + (math.log10(value) - left) / (right - left) * (_PLOT_W - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _PLOT_H - _BOTTOM - (math.log10(value) - low) / (high - low) * (_PLOT_H - _TOP - _BOTTOM)

    drawn: list[Markup] = []
    for power in range(left, right + 1):
        at = x(10.0**power)
        drawn.append(element("line", class_="grid", x1=at, x2=at, y1=_TOP, y2=_PLOT_H - _BOTTOM))
        drawn.append(
            element("text", _power(power), class_="unit", x=at, y=_PLOT_H - _BOTTOM + 17, text_anchor="middle")
        )
    for power in range(low, high + 1):
        at = y(10.0**power)
        drawn.append(element("line", class_="grid", x1=_LEFT, x2=_PLOT_W - _RIGHT, y1=at, y2=at))
        drawn.append(element("text", _power(power), class_="unit", x=_LEFT - 8, y=at + 4, text_anchor="end"))
    drawn.append(_roof(x, y, peak, bytes_per_cycle, (10.0**left, 10.0**right), 10.0**low))
    biggest = max((p.share for p in points), default=1.0) or 1.0
    # Large ones first: the small ones stay in reach of the pointer.
    for point in sorted(points, key=lambda p: -p.share):
        if point.achieved <= 0:
            continue
        at, radius = (x(point.intensity), y(point.achieved)), _radius(biggest)(point)
        circle = element(
            "circle", element("title", point.title), class_=f"dot {point.kind}", cx=at[0], cy=at[1], r=radius
        )
        drawn.append(circle)
    named = [(p, x(p.intensity), y(p.achieved)) for p in points if p.label and p.achieved > 0]
    drawn += _dot_labels(named, _radius(biggest), (x(max(ridge, 10.0**left)), y(peak) - 2, x(10.0**right), y(peak) + 2))
    middle = (_LEFT + _PLOT_W - _RIGHT) / 2
    drawn.append(
        element("text", "MACs per byte of DRAM traffic", class_="unit", x=middle, y=_PLOT_H - 8, text_anchor="middle")
    )
    drawn.append(
        element(
            "text",
            "MACs per cycle",
            class_="unit",
            transform=f"translate(14 {_PLOT_H / 2}) rotate(-90)",
            text_anchor="middle",
        )
    )
    return _svg(_PLOT_W, _PLOT_H, "roofline", drawn)


def _roof(
    x: Callable[[float], float],
    y: Callable[[float], float],
    peak: float,
    bytes_per_cycle: float | None,
    ends: tuple[float, float],
    low: float,
) -> Markup:
    ridge = max(peak / bytes_per_cycle, ends[0]) if bytes_per_cycle else ends[0]
    flat = element("line", class_="roof", x1=x(ridge), x2=x(ends[1]), y1=y(peak), y2=y(peak))
    name = element("text", f"array: {peak:g}", class_="unit", x=x(ends[1]), y=y(peak) - 18, text_anchor="end")
    if not bytes_per_cycle:
        return joined(flat, name)
    start = max(ends[0], low / bytes_per_cycle)
    slope = element("line", class_="roof", x1=x(start), x2=x(ridge), y1=y(start * bytes_per_cycle), y2=y(peak))
    middle = math.sqrt(start * ridge)
    tilt = math.degrees(math.atan2(y(peak) - y(start * bytes_per_cycle), x(ridge) - x(start)))
    where = f"translate({x(middle):.1f} {y(middle * bytes_per_cycle) - 7:.1f}) rotate({tilt:.1f})"
    text = element("text", f"DRAM: {bytes_per_cycle:g} B/cycle", class_="unit", transform=where, text_anchor="middle")
    return joined(flat, slope, name, text)


def _radius(biggest: float) -> Callable[[Point], float]:
    return lambda point: 4 + 9 * math.sqrt(point.share / biggest)


def _dot_labels(
    points: Sequence[tuple[Point, float, float]], radius: Callable[[Point], float], roof: _Box
) -> list[Markup]:
    """Names beside their points, where there is room: a name that would cover another name or point is left out."""
    taken = [(x - radius(p), y - radius(p), x + radius(p), y + radius(p)) for p, x, y in points] + [roof]
    drawn = []
    for point, x, y in sorted(points, key=lambda item: -item[0].share):
        label, away = point.label or "", radius(point) + 4
        wide = _LETTER * len(label)
        for left, baseline in (
            (x + away, y + 4),
            (x - away - wide, y + 4),
            (x - wide / 2, y - away - 1),
            (x - wide / 2, y + away + 10),
        ):
            box = (left, baseline - 9, left + wide, baseline + 2)
            inside = box[0] >= _LEFT and box[2] <= _PLOT_W and box[1] >= 0 and box[3] <= _PLOT_H - _BOTTOM
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                drawn.append(element("text", label, class_="value", x=left, y=baseline))
                break
    return drawn


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Classes of the style sheet and what they stand for."""
    keys = (element("span", element("i", class_=f"key {kind}"), text) for kind, text in entries)
    return element("p", *keys, class_="legend")


def _decade(value: float, rounding: Callable[[float], float]) -> int:
    return int(rounding(math.log10(max(value, 1e-6))))


def _power(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def _svg(width: float, height: float, label: str, drawn: Sequence[Markup]) -> Markup:
    return element(
        "svg", *drawn, viewBox=f"0 0 {width} {height}", role="img", aria_label=label, width=width, height=height
    )
