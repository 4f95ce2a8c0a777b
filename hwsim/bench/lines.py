"""Line charts of a few series over powers of two, as SVG files of their own for the handbook."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from hwsim.report.markup import Markup, element

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Series", "line_chart"]

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 110, 34, 48
_COLOURS = ("#4269d0", "#d1791b", "#ff725c", "#2b8f86", "#3ca951", "#b8609f", "#a463f2", "#4f9bd9", "#7d6a5d")
_INK, _GRID = "#555", "#ddd"
_LABEL_HEIGHT = 13


@dataclass(frozen=True, slots=True)
class Series:
    """A line, a value for each place on the axis."""

    name: str
    values: tuple[float, ...]


def line_chart(
    title: str, across: str, places: Sequence[int], series: Sequence[Series], ticks: Sequence[float], unit: str
) -> Markup:
    """``series`` over ``places`` at equal distances; ``ticks`` mark the upright axis, and are its ends.

    Raises:
        ValueError: a value beyond the axis.

    """
    low, high = min(ticks), max(ticks)
    beyond = [value for line in series for value in line.values if not low <= value <= high]
    if beyond:
        raise ValueError(f"{title}: {beyond[0]:g} is outside of the axis from {low:g} to {high:g}")

    def x(index: int) -> float:
        return _LEFT + index / (len(places) - 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    drawn = [
        element("rect", x=0, y=0, width=_WIDTH, height=_HEIGHT, fill="#fff"),
        element("text", title, x=_LEFT, y=18, font_weight="bold", fill=_INK),
    ]
    for tick in ticks:
        drawn.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(tick), y2=y(tick), stroke=_GRID))
        drawn.append(element("text", f"{tick:g}{unit}", x=_LEFT - 8, y=y(tick) + 4, text_anchor="end", fill=_INK))
    for index, place in enumerate(places):
        at = _HEIGHT - _BOTTOM + 18
        drawn.append(element("text", str(place), x=x(index), y=at, text_anchor="middle", fill=_INK))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    drawn.append(element("text", across, x=middle, y=_HEIGHT - 8, text_anchor="middle", fill=_INK))
    labels = _apart([y(line.values[-1]) for line in series])
    for line, colour, label in zip(series, _COLOURS, labels, strict=False):
        points = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(line.values))
        drawn.append(element("polyline", points=points, fill="none", stroke=colour, stroke_width=2))
        drawn += [element("circle", cx=x(i), cy=y(value), r=3, fill=colour) for i, value in enumerate(line.values)]
        drawn.append(element("text", line.name, x=_WIDTH - _RIGHT + 10, y=label + 4, fill=colour))
    return element(
        "svg", *drawn, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img",
        aria_label=title, width=_WIDTH, height=_HEIGHT, font_family="system-ui, sans-serif", font_size=12,
    )  # fmt: skip


def _apart(heights: Sequence[float]) -> list[float]:
    """Heights of labels: at their lines' ends, moved so that none is over another and all are within the plot."""
    placed = list(heights)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    for above, below in pairwise(order):
        placed[below] = max(placed[below], placed[above] + _LABEL_HEIGHT)
    over = max(0.0, max(placed) - (_HEIGHT - _BOTTOM))
    return [height - over for height in placed]
