"""The published energies of single operations beside what our tables' laws give for them, and why they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.bench.page import table
from hwsim.energy.scaling import scaling
from hwsim.energy.table import drams, load_table
from workloads.reference.accelerators import OPERATION_ENERGY
from workloads.reference.eie import OPERATION_ENERGY as EIE_ENERGY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hwsim.energy.table import Table

__all__ = ["EnergyRow", "energies", "lines"]

_FIT = "the law goes near all of its points, not through each"
_FITTED = 0.005
"""Nearer than that is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyRow:
    """One operation."""

    what: str
    technology: str
    published: tuple[float, float]
    """pJ, lowest and highest; in MACs for the normalised table."""
    ours: float
    reason: str
    """Why they differ; empty where they do not."""

    @property
    def apart(self) -> float:
        """Relative distance of ours from the published interval; 0 inside."""
        low, high = self.published
        return self.ours / high - 1 if self.ours > high else min(0.0, self.ours / low - 1)


# Operation, our figure of it, and the reason for a gap where it is not how well a law fits.
_OPERATIONS: dict[str, tuple[Callable[[Table], float], str]] = {
    "int8 add": (lambda t: t.add(8), _FIT),
    "int16 add": (lambda t: t.add(16), _FIT),
    "int32 add": (lambda t: t.add(32), _FIT),
    "int8 mult": (lambda t: t.multiply_pj(8, 8), _FIT),
    "int16 mult": (
        lambda t: t.multiply_pj(16, 16),
        "published as an estimate; the law is through int8 and int32, and near QKeras' fit (0.78)",
    ),
    "int32 mult": (lambda t: t.multiply_pj(32, 32), _FIT),
    "SRAM 8KB": (lambda t: t.sram.access_pj(8, 64), _FIT),
    "SRAM 32KB": (lambda t: t.sram.access_pj(32, 64), _FIT),
    "SRAM 1MB": (lambda t: t.sram.access_pj(1024, 64), _FIT),
    "DRAM DDR3/4": (lambda _: 64 * drams()["ddr4"].pj_per_bit, ""),
    "DRAM HBM2": (lambda _: 64 * drams()["hbm2"].pj_per_bit, ""),
}
_EIE: dict[str, tuple[Callable[[Table], float], str]] = {
    "32b int ADD": (lambda t: t.add(32), _FIT),
    "32b int MULT": (lambda t: t.multiply_pj(32, 32), _FIT),
    "32b 32KB SRAM": (
        lambda t: t.sram.access_pj(32, 32),
        "Horowitz' 20 pJ for 64 bits is of a cache; EIE's is of a plain macro. Ours is the dearer: an upper bound",
    ),
    "32b DRAM": (lambda _: 32 * drams()["ddr4"].pj_per_bit, "20 pJ a bit against Horowitz' 1300 pJ for 64 bits"),
}
# Chen et al., ISCA 2016: a 16-bit MAC, a register file, a hop, the global buffer, DRAM.
_EYERISS: dict[str, tuple[float, Callable[[Table], float]]] = {
    "16-bit MAC": (1, lambda t: t.mac_pj(16, 16, 16)),
    "register file, 0.5 kB": (1, lambda t: t.sram.access_pj(0.5, 16)),
    "PE to PE": (2, lambda t: 16 * t.registers.hop_pj_per_bit.value),
    "global buffer, 100 kB": (6, lambda t: t.sram.access_pj(100, 16)),
    "DRAM": (200, lambda t: 200.0 if isinstance(t.dram, str) else 16 * t.dram.pj_per_bit),
}


def energies() -> Iterator[EnergyRow]:
    """All of them, by table."""
    for technology, column in (("horowitz-45nm", "pj_45nm"), ("tpuv4i-7nm", "pj_7nm")):
        ours = load_table(technology)
        for row in OPERATION_ENERGY.rows():
            published = getattr(row, column)
            found = next((value for name, value in _OPERATIONS.items() if row.operation.startswith(name)), None)
            if published is not None and found is not None:
                yield _row(row.operation, technology, published, *_evaluated(found, ours))
    for row in EIE_ENERGY.rows():
        if found := _EIE.get(row.operation):
            value, reason = _evaluated(found, load_table("horowitz-45nm"))
            yield _row(f"{row.operation} (EIE)", "horowitz-45nm", (row.energy_pj, row.energy_pj), value, reason)
    normalised = load_table("eyeriss-65nm-normalised")
    for name, (figure, price) in _EYERISS.items():
        yield _row(name, normalised.name, (figure, figure), price(normalised), _FIT)


def lines() -> Iterator[str]:
    """The section."""
    yield (
        "Each operation that a paper prices and our hardware does, and what the law in `hwsim/energy/tables` gives "
        "for it (pJ; multiples of a MAC in the normalised table). The sources are in the tables, figure by figure, "
        "and are compared with `workloads/reference` by `tests/hwsim/energy/test_sources.py`."
    )
    yield ""
    rows = [
        (
            row.what,
            row.technology,
            _interval(row.published),
            f"{row.ours:,.4g}",
            f"{row.apart:+.1%}" if abs(row.apart) >= _FITTED else "0",
            row.reason,
        )
        for row in energies()
    ]
    yield from table(("operation", "table", "published", "ours", "apart", "why"), rows)
    chip = load_table("eyeriss-65nm-normalised")
    clocks = ", ".join(f"{200 * scaling(chip, volts).clock:.0f} MHz at {volts} V" for volts in (0.82, 1.17))
    yield ""
    yield (
        f"Voltage, from Eyeriss' 200 MHz at 1 V: {clocks} by the alpha-power law; the chip, 100 MHz and 250 MHz. One "
        "threshold is fitted to both, and velocity saturation is one exponent."
    )


def _evaluated(found: tuple[Callable[[Table], float], str], ours: Table) -> tuple[float, str]:
    price, reason = found
    return price(ours), reason


def _row(what: str, technology: str, published: tuple[float, float], ours: float, reason: str) -> EnergyRow:
    row = EnergyRow(what=what, technology=technology, published=published, ours=ours, reason=reason)
    if abs(row.apart) >= _FITTED:
        return row
    return EnergyRow(what=what, technology=technology, published=published, ours=ours, reason="")


def _interval(published: tuple[float, float]) -> str:
    low, high = published
    return f"{low:,g}" if low == high else f"{low:g}–{high:g}"
