"""Memory and area of a PE beside EIE Table II."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.bench.page import table
from hwsim.bench.sparse.layers import configuration
from hwsim.energy.hardware import memories, queue_bits
from hwsim.energy.table import load_table
from rtl.sparse.layout import ACTIVATION_BITS
from workloads.reference.eie import MODULES, SCALARS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["lines"]


def lines() -> Iterator[str]:
    """One PE, module by module."""
    config = configuration()
    sparse, technology = config.sparse, load_table(config.technology.table)
    logic, sram = technology.logic, technology.sram.area_um2
    if logic is None or sram is None:
        raise ValueError(f"table {technology.name} has no areas")
    published = {m.item: m.area_um2 for m in MODULES.rows() if m.kind == "module"}
    kib = {f.name: f.number for f in SCALARS.rows() if f.name.endswith("SRAM_KB_per_PE")}
    held = memories(config)

    def of(*names: str) -> tuple[float, float]:
        chosen = [held[name] for name in names]
        parts = [(m.kib / sparse.pes, m.banks / sparse.pes * sram(m.bank_kib)) for m in chosen]
        return sum(p[0] for p in parts), sum(p[1] for p in parts)

    arithmetic = logic.multiply_um2((ACTIVATION_BITS * sparse.weight_bits) ** 0.5) + logic.add_um2(32)
    queue = (sparse.fifo_depth + 3) * queue_bits(sparse) * logic.register_um2.value
    rows = [
        ("Act queue", "", 0.0, 0.0, queue),
        ("PtrRead", "even and odd pointers", kib["ptr_SRAM_KB_per_PE"], *of("pointer")),
        ("SpmatRead", "entries, 64 bits a row", kib["spmat_SRAM_KB_per_PE"], *of("spmat")),
        ("ArithmUnit", f"codebooks; {ACTIVATION_BITS} x {sparse.weight_bits} bits, sum of 32", 0.0, *of("codebook")),
        ("ActRW", "sums, two halves", kib["act_SRAM_KB_per_PE"], *of("sparse_sum")),
    ]
    rows[3] = (*rows[3][:4], rows[3][4] + arithmetic)
    yield (
        "One PE of 64, as far as the technology table tells: memories by a line through CACTI's macros in 45 nm, "
        f"arithmetic and registers by Aladdin's figures ({technology.title}). EIE's is placed and routed in TSMC 45 nm."
    )
    yield ""
    total = [0.0, 0.0]
    shown = []
    for item, what, theirs_kib, ours_kib, ours in rows:
        theirs = published[item] or 0.0
        total = [total[0] + theirs, total[1] + ours]
        shown.append((item, what, f"{theirs_kib:g}", f"{ours_kib:g}", f"{theirs:,.0f}", f"{ours:,.0f}",
                      f"{ours / theirs - 1:+.0%}"))  # fmt: skip
    gap = published["filler cell"] or 0.0
    shown.append(("filler cell", "not modelled", "", "", f"{gap:,.0f}", "", ""))
    shown.append(("PE", "", f"{kib['total_SRAM_KB_per_PE']:g}", f"{sum(r[3] for r in rows):g}",
                  f"{total[0] + gap:,.0f}", f"{total[1]:,.0f}", f"{total[1] / (total[0] + gap) - 1:+.0%}"))  # fmt: skip
    yield from table(("module", "ours", "KiB: EIE", "ours", "µm²: EIE", "ours", "difference"), shown)
    yield ""
    yield (
        "The gap, named: the modules' control logic and pipeline registers, routing and filler cells are in EIE's "
        "figures and not in ours; EIE's activations are 16 bits (9 here) and lie in the PE's register files, ours in "
        "IFM and OFM, which all engines share and which are not in this table; ours has two halves of 32-bit sums "
        "where EIE has 2 KiB of activations. The queue here holds start and end of each column beside its "
        "activation, read before the queue so that a column without entries takes no place in it. What the CACTI "
        "macros give per KiB sets the rest."
    )
