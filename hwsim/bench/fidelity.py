"""The analytic model beside the cycle model, which equals the RTL: every network that has a name, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import hwsim
from hwsim.bench.page import table
from workloads.registry import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwsim.results import Estimate

__all__ = ["FidelityRow", "compare", "lines"]

ARCHS = ("dense-16x16", "dense-32x32")
WITHIN = 0.02
"""Of the cycle model's, that a layer's cycles must be."""
_SAME = ("macs", "dram_read_bytes", "dram_write_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelityRow:
    """A network on an architecture."""

    model: str
    arch: str
    cycle: int
    analytic: int
    layers: int
    close: int
    """Layers that are :data:`WITHIN`."""
    apart_cycles: int
    """Of the cycle model's, in the layers that are not."""
    worst: str
    """The layer that is furthest off, relatively."""
    worst_apart: float
    counters_equal: bool
    """MACs and DRAM bytes of every layer."""


def compare(model: str, arch: str) -> FidelityRow:
    """Both models on one network."""
    cycle, analytic = hwsim.estimate(model, arch), hwsim.estimate(model, arch, fidelity="analytic")
    apart = _apart(cycle, analytic)
    worst = max(range(len(apart)), key=lambda index: abs(apart[index]))
    far = [layer.cycles for layer, off in zip(cycle.layers, apart, strict=True) if abs(off) > WITHIN]
    return FidelityRow(
        model=model,
        arch=arch,
        cycle=cycle.cycles,
        analytic=analytic.cycles,
        layers=len(apart),
        close=len(apart) - len(far),
        apart_cycles=sum(far),
        worst=cycle.layers[worst].name,
        worst_apart=apart[worst],
        counters_equal=all(
            a.counters[name] == b.counters[name]
            for a, b in zip(cycle.layers, analytic.layers, strict=True)
            for name in _SAME
        ),
    )


def lines() -> Iterator[str]:
    """The section."""
    yield (
        f"`--fidelity analytic` against `cycle`: layers within {WITHIN:.0%}, the worst one, and whether MACs and DRAM "
        "bytes of every layer are equal."
    )
    yield ""
    rows: list[FidelityRow] = []
    yield from table(
        ("network", "architecture", "cycles", "`analytic`", "layers", "within", "cycles of the others", "worst layer",
         "counters"),
        (_row(row) for row in _measured(rows)),
    )  # fmt: skip
    layers, close = sum(row.layers for row in rows), sum(row.close for row in rows)
    furthest = max(rows, key=lambda row: abs(row.analytic / row.cycle - 1))
    yield ""
    yield (
        f"Of {layers:,} layers {close:,} are within {WITHIN:.0%}; the others have "
        f"{sum(row.apart_cycles for row in rows) / sum(row.cycle for row in rows):.1%} of all cycles. The total that "
        f"is furthest off is {furthest.model}'s on {furthest.arch}, {furthest.analytic / furthest.cycle - 1:+.2%}."
    )


def _measured(rows: list[FidelityRow]) -> Iterator[FidelityRow]:
    """Each row as it is measured, which ``rows`` keeps."""
    for arch in ARCHS:
        for model in names():
            rows.append(compare(model, arch))
            yield rows[-1]


def _apart(cycle: Estimate, analytic: Estimate) -> list[float]:
    """Relative distance of every layer's cycles."""
    pairs = zip(cycle.layers, analytic.layers, strict=True)
    return [b.cycles / max(a.cycles, 1) - 1 for a, b in pairs]


def _row(row: FidelityRow) -> tuple[str, ...]:
    return (
        row.model,
        row.arch,
        f"{row.cycle:,}",
        f"{row.analytic / row.cycle - 1:+.2%}",
        str(row.layers),
        str(row.close),
        f"{row.apart_cycles / row.cycle:.1%}",
        f"{row.worst} {row.worst_apart:+.1%}",
        "equal" if row.counters_equal else "**different**",
    )
