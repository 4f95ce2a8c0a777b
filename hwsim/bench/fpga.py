"""Every preset in an ECP5: what it takes of the largest part, and its frequency where it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.bench.area import PRESETS
from hwsim.bench.page import table
from hwsim.silicon.synthesis.fpga import PARTS, measure_fpga
from hwsim.silicon.tools import absent
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import load_arch
from rtl.verilog import TOP

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["lines"]

_DEVICE = PARTS["85k"]


def lines() -> Iterator[str]:
    """The section."""
    yield (
        f"Lattice ECP5, {_DEVICE.name}: {_DEVICE.luts:,} LUTs, {_DEVICE.multipliers} MULT18X18D, {_DEVICE.block_rams} "
        "DP16KD (`hwsim fpga`). Counts by Yosys. What fits is placed and routed by nextpnr, speed grade 6."
    )
    yield ""
    rows = []
    for preset in PRESETS:
        found = measure_fpga(accelerator_verilog(load_arch(preset)), TOP, _DEVICE)
        fmax = f"{found.placed.fmax_mhz:.1f} MHz" if found.placed else absent("ecp5") or ""
        counts = (f"{n:,}" for n in (found.luts, found.flip_flops, found.multipliers, found.block_rams))
        rows.append((preset, *counts, f"no: {', '.join(found.excess())}" if found.excess() else fmax))
    yield from table(("preset", "LUT", "flip-flops", "MULT18X18D", "DP16KD", "fits: frequency"), rows)
