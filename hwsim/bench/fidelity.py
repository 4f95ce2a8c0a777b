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
"""Of the cycle model's, that a dense layer's cycles must be at most."""
_SAME = ("macs", "dram_read_bytes", "dram_write_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelityRow:
    """A network on an architecture."""

    model: str
    arch: str
    cycle: int
    analytic: int
    layers: int
    equal: int
    """Layers whose cycles are equal."""
    close: int
    """Layers that are :data:`WITHIN`."""
    apart_cycles: int
    """Of the cycle model's, in the layers that are not equal."""
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
    unlike = [layer.cycles for layer, off in zip(cycle.layers, apart, strict=True) if off]
    return FidelityRow(
        model=model,
        arch=arch,
        cycle=cycle.cycles,
        analytic=analytic.cycles,
        layers=len(apart),
        equal=len(apart) - len(unlike),
        close=sum(abs(off) <= WITHIN for off in apart),
        apart_cycles=sum(unlike),
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
        "`--fidelity analytic` against `cycle`, layer by layer: how many layers have equal cycles, how many are within "
        f"{WITHIN:.0%} (required of dense ones), the layer that is furthest off, and whether MACs and DRAM bytes of "
        "every layer are equal. Sparse layers depend on data that `analytic` does not look at."
    )
    yield ""
    rows: list[FidelityRow] = []
    yield from table(
        ("network", "architecture", "cycles", "`analytic`", "layers", "equal", "within", "cycles of those not equal",
         "furthest layer", "counters"),
        (_row(row) for row in _measured(rows)),
    )  # fmt: skip
    layers, equal, close = (sum(getattr(row, name) for row in rows) for name in ("layers", "equal", "close"))
    apart = sum(row.apart_cycles for row in rows) / sum(row.cycle for row in rows)
    furthest = max(rows, key=lambda row: abs(row.worst_apart))
    yield ""
    yield (
        f"Of {layers:,} layers {equal:,} have the cycles of `cycle`, {close:,} are within {WITHIN:.0%}; those that are "
        f"not equal have {apart:.1%} of all cycles. Furthest off: {furthest.worst} of {furthest.model} on "
        f"{furthest.arch}, {furthest.worst_apart:+.1%}."
        if equal < layers
        else f"All {layers:,} layers have the cycles of `cycle`, to the last one."
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
        str(row.equal),
        str(row.close),
        f"{row.apart_cycles / row.cycle:.1%}",
        f"{row.worst} {row.worst_apart:+.1%}" if row.worst_apart else "none",
        "equal" if row.counters_equal else "**different**",
    )
