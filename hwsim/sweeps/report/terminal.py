"""A sweep in the terminal: what was done, the front as a table, where to begin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hwsim.sweeps.metrics import METRICS
from hwsim.sweeps.report.provenance import provenance
from hwsim.sweeps.space.parameter import Follows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.sweeps.api import Reproduction
    from hwsim.sweeps.front.summary import Front
    from hwsim.sweeps.results import SweepResult

__all__ = ["figure_text", "point_screen", "short_settings", "sweep_screen", "varied_on_front"]

_MOST_ROWS = 20
_MOST_REASONS = 5


def sweep_screen(result: SweepResult, command: str) -> Group:
    """Everything; ``command`` is what computes one point again, an id apart."""
    parts: list[Text | Table] = [_counts(result), Text(" ".join(provenance(result)), "dim")]
    parts += [_failures(result)] if result.failed() else []
    for front in result.fronts:
        parts += [Text(), _front_table(result, front), _front_text(result, front)]
    if not result.fronts:
        parts.append(Text("No point has all objectives and satisfies all constraints: there is no front.", "yellow"))
    else:
        parts += [Text(), Text(f"A point again, by itself: {command} --point ID", "dim")]
    return Group(*parts)


def _counts(result: SweepResult) -> Text:
    file = result.specification.file
    excluded = sum(point.state == "excluded" for point in result.points)
    failed = len(result.failed())
    words = [f"{len(result.points):,} points", f"{result.evaluated:,} evaluations now in {result.wall_s:,.1f} s"]
    words += [f"{excluded:,} over an early constraint"] if excluded else []
    words.append(f"{failed:,} failed")
    return Text(f"{file.name}: {', '.join(words)}; fidelity {file.fidelity}; study {result.address}", "bold")


def _failures(result: SweepResult) -> Text:
    reasons: dict[str, list[str]] = {}
    for point in result.failed():
        reasons.setdefault(point.reason, []).append(point.id)
    most = sorted(reasons.items(), key=lambda item: -len(item[1]))
    lines = [f"  {len(ids):,} x {reason} (such as {ids[0]})" for reason, ids in most[:_MOST_REASONS]]
    more = len(most) - _MOST_REASONS
    lines += [f"  and {more} other reasons"] if more > 0 else []
    return Text("\n".join(["failed points:", *lines]), "red")


def _front_table(result: SweepResult, front: Front) -> Table:
    objectives = result.specification.file.objectives
    shown = set(front.spread[:_MOST_ROWS])
    rows = [id_ for id_ in front.ids if id_ in shown]
    title = f"{front.group or 'front'}: {len(front.ids):,} points on the front"
    title += f", {len(rows)} of them that span it" if len(rows) < len(front.ids) else ""
    table = Table(title=title, title_justify="left")
    table.add_column("point", no_wrap=True)
    settings = varied_on_front(result, front)
    for label in short_settings(settings):
        table.add_column(escape(label), justify="right", overflow="fold")
    for name in objectives:
        table.add_column(escape(METRICS[name].label), justify="right", min_width=7)
    closer, simulated = (bool(found.keys() & shown) for found in (result.rechecked, result.verified))
    for header in (*(["by cycle"] if closer else []), *(["RTL"] if simulated else [])):
        table.add_column(header, justify="right")
    for id_ in rows:
        point = result.by_id[id_]
        values = result.specification.space.effective(point.assignment)
        cells = [f"{id_} *" if id_ == front.knee else id_]
        cells += [escape(str(values[name])) for name in settings]
        cells += [figure_text(point.metrics[name]) for name in objectives]
        cells += [_by_cycle(result, id_)] if closer else []
        cells += [_in_rtl(result, id_)] if simulated else []
        table.add_row(*cells)
    return table


def varied_on_front(result: SweepResult, front: Front) -> list[str]:
    """Settings that are not the same all over the front; those that follow from others apart."""
    space = result.specification.space
    values = [space.effective(result.by_id[id_].assignment) for id_ in front.ids]
    names = [p.name for p in space.parameters if not isinstance(p, Follows)]
    return [name for name in names if len({str(v.get(name)) for v in values}) > 1]


def short_settings(names: Sequence[str]) -> list[str]:
    """The ends of dotted names that tell them apart."""
    ends = [name.rsplit(".", 1)[-1] for name in names]
    return [end if ends.count(end) == 1 else name for end, name in zip(ends, names, strict=True)]


def _by_cycle(result: SweepResult, id_: str) -> str:
    """How far the cycle model's cycles are from the sweep's own."""
    again = result.rechecked.get(id_)
    if again is None:
        return ""
    if again.state != "done":
        return again.state
    before = result.by_id[id_].metrics["cycles"]
    return f"{again.metrics['cycles'] / before - 1:+.2%}"


def _in_rtl(result: SweepResult, id_: str) -> str:
    """Cycles that the RTL is away from the cycle model."""
    run = result.verified.get(id_)
    if run is None:
        return ""
    if "rtl_cycles" not in run.metrics:
        return run.state
    return f"{run.metrics['rtl_cycles'] - run.metrics['model_cycles']:+,.0f} cycles"


def _front_text(result: SweepResult, front: Front) -> Text:
    names = result.specification.file.objectives
    limits = ", ".join(f"{name} {figure_text(v)}" for name, v in zip(names, front.reference, strict=True))
    varied = set(varied_on_front(result, front))
    values = result.specification.space.effective(result.by_id[front.ids[0]].assignment)
    fixed = [p.name for p in result.specification.space.parameters if p.name not in varied and p.name != "model"]
    same = ", ".join(f"{n} {values[n]}" for n in fixed if not _follows(result, n))
    begin = f"All have {same}. " if same else ""
    return Text(f"{begin}* the knee. Hypervolume {front.hypervolume:.6g} up to {limits}.", "dim")


def _follows(result: SweepResult, name: str) -> bool:
    return any(isinstance(p, Follows) and p.name == name for p in result.specification.space.parameters)


def figure_text(value: float) -> str:
    """A figure with as many digits as tell it apart."""
    if not math.isfinite(value):
        return "-"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def point_screen(again: Reproduction) -> Group:
    """One point, computed again."""
    outcome = again.outcome
    settings = Table(title=f"point {again.task.id}, fidelity {outcome.fidelity}", title_justify="left")
    settings.add_column("setting")
    settings.add_column("value", justify="right")
    for name, value in again.task.assignment.items():
        settings.add_row(name, escape(str(value)))
    found = Table()
    found.add_column("figure")
    found.add_column("value", justify="right")
    for name, value in outcome.metrics.items():
        found.add_row(escape(METRICS[name].label if name in METRICS else name), figure_text(value))
    parts: list[Text | Table] = [settings, found]
    if outcome.state != "done":
        parts.append(Text(f"{outcome.state}: {outcome.reason}", "red"))
    if again.recorded is not None:
        apart = again.differences()
        words = ", ".join(f"{name} was {before!r}" for name, (before, _) in apart.items())
        parts.append(Text(f"differs from the study: {words}", "red") if apart else Text("as in the study", "green"))
    return Group(*parts)
