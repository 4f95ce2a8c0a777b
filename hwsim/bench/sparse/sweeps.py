"""Depth of the queues and number of PEs: EIE's figures on load balance, scalability and padding, as we find them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.bench.lines import Series, line_chart
from hwsim.bench.page import table
from hwsim.bench.sparse.layers import configuration, on_engine, pruned
from workloads import eie

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fifo_depth", "pe_count"]

FIGURES = Path("docs/figures")
_DEPTHS = (1, 2, 4, 8, 16, 32)
_PES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def fifo_depth() -> Iterator[str]:
    """PE efficiency by the depth of the queues."""
    yield "64 PEs, rows interleaved as they come. EIE chose 8 places by the same figure (its load balance)."
    yield ""
    found = {
        pruned(name).name: tuple(on_engine(pruned(name), configuration(fifo_depth=d)).efficiency for d in _DEPTHS)
        for name in eie.layers()
    }
    series = [Series(name, tuple(100 * v for v in values)) for name, values in found.items()]
    chart = line_chart(
        "PE efficiency by queue depth", "places in each queue", _DEPTHS, series, range(50, 101, 10), " %"
    )
    yield _figure("eie-fifo-depth", "PE efficiency of EIE's nine layers by queue depth", chart)
    yield ""
    means = [sum(values) / len(found) for values in zip(*found.values(), strict=True)]
    rows = [(name, *(f"{value:.1%}" for value in values)) for name, values in (*found.items(), ("mean", means))]
    yield from table(("layer", *map(str, _DEPTHS)), rows)
    yield ""
    eight = _DEPTHS.index(8)
    yield (
        f"The first three doublings, up to 8 places, bring {100 * (means[eight] - means[0]):.1f} points in the mean; "
        f"16 places in place of 8 another {100 * (means[eight + 1] - means[eight]):.1f}, 32 in place of 16 "
        f"{100 * (means[-1] - means[-2]):.1f}. "
        "NT-We, of 600 rows, has some ten in a PE and its columns differ most: it alone still gains much."
    )


def pe_count() -> Iterator[str]:
    """Speed-up and padding by the number of PEs."""
    yield (
        "Queues of 8, rows interleaved as they come. Speed-up is over one PE; padding is its share of the entries: "
        "with more PEs each has fewer rows, so runs are shorter."
    )
    yield ""
    runs = {
        pruned(name).name: [on_engine(pruned(name), configuration(pes=pes)) for pes in _PES] for name in eie.layers()
    }
    scaling = [
        Series(name, tuple(100 * found[0].cycles / (r.cycles * pes) for r, pes in zip(found, _PES, strict=True)))
        for name, found in runs.items()
    ]
    highest = 20 * -(-int(max(max(line.values) for line in scaling)) // 20)
    chart = line_chart("Speed-up over one PE, per PE", "PEs", _PES, scaling, range(0, highest + 1, 20), " %")
    yield _figure("eie-scalability", "speed-up of EIE's nine layers per PE, by the number of PEs", chart)
    yield ""
    padding = [Series(name, tuple(100 * r.padding / r.entries for r in found)) for name, found in runs.items()]
    most = 10 * -(-int(max(max(line.values) for line in padding)) // 10)
    chart = line_chart("Padding entries", "PEs", _PES, padding, range(0, most + 1, 10), " %")
    yield _figure("eie-padding", "share of padding among the entries of EIE's nine layers, by the number of PEs", chart)
    yield ""
    rows = [
        (name, *(f"{found[0].cycles / r.cycles:.1f} ({r.padding / r.entries:.0%})" for r in found))
        for name, found in runs.items()
    ]
    yield from table(("layer: speed-up (padding)", *map(str, _PES)), rows)


def _figure(name: str, what: str, chart: str) -> str:
    FIGURES.mkdir(exist_ok=True)
    (FIGURES / f"{name}.svg").write_text(chart + "\n")
    return f"![{what}](figures/{name}.svg)"
