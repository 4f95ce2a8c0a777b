"""``python -m hwsim.bench [PAGE]``: measure, and write the page that says what came out (``docs/validation.md``)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.bench import utilisation
from hwsim.bench.build_time import process, turnaround
from hwsim.bench.overhead import measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RESNET8 = Path("../shared/models/onnx_from_tflite/pretrainedResnet_quant.onnx")
"""MLPerf Tiny's; the digits network stands in where it is absent."""
ESTIMATES = (("digits-cnn", "dense-16x16"), ("gemm-512x512x512", "dense-16x16"), ("resnet50", "dense-32x32"))
PAGE = Path("docs/validation.md")


def main() -> None:
    """Measure everything, one section after the other."""
    page = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    model = str(RESNET8) if RESNET8.exists() else "digits-cnn"
    lines = ["# Validation", "", f"Written by `make bench` on {os.cpu_count()} cores. Times are of that machine."]
    for section in (_turnaround(model), _overhead(model), _utilisation(model), _gemmini(), _scalesim(), _estimates()):
        for line in section:
            print(line, flush=True)
            lines.append(line)
    page.write_text("\n".join([*lines, ""]))


def _turnaround(model: str) -> Iterator[str]:
    t = turnaround(model, "dense-16x16")
    yield from _head("From an empty cache to a simulated network", f"`hwsim simulate {Path(model).name}`, dense-16x16.")
    yield from _table(
        ("", "wall s", "CPU s", "required, wall s"),
        [
            ("cold: Verilog, Verilator, C++, two runs", f"{t.cold.wall_s:.1f}", f"{t.cold.cpu_s:.1f}", "90"),
            ("warm", f"{t.warm.wall_s:.1f}", f"{t.warm.cpu_s:.1f}", "10"),
        ],
    )
    speed = t.cycles / t.simulated_s / 1e3
    verdict = "equal" if t.agrees else "**different**"
    yield f"\n{t.cycles:,} cycles, simulated at {speed:,.0f} k cycles/s; bytes, cycles and counters are {verdict}."


def _overhead(model: str) -> Iterator[str]:
    o = measure(model, "dense-16x16", repeats=7)
    yield from _head(
        "What cocotb costs",
        "The same Verilated model and program under cocotb and under a bare C++ main, from start to interrupt, "
        "alternately; the best of 7 runs each.",
    )
    yield from _table(
        ("", "ns per cycle"),
        [
            ("bare C++", f"{o.bare_ns:,.0f}"),
            ("cocotb", f"{o.cocotb_ns:,.0f}"),
            ("cocotb's share (required: < 10 %)", f"{o.share:+.1%}"),
        ],
    )


def _utilisation(model: str) -> Iterator[str]:
    yield from _head("Utilisation", "Of the array's peak, by the cycle model, which equals the RTL.")
    rows = []
    for name, required in ((model, "70 %" if "Resnet" in model else ""), ("gemm-512x512x512", "97 %")):
        row = utilisation.network(name, "dense-16x16")
        limits = ", ".join(f"{what} {share:.0%}" for what, share in sorted(row.bounds.items(), key=lambda b: -b[1]))
        rows.append((row.model, f"{row.cycles:,}", f"{row.utilisation:.1%}", required, limits))
    yield from _table(("network", "cycles", "utilisation", "required", "cycles by what binds the layer"), rows)


def _gemmini() -> Iterator[str]:
    yield from _head("Matrix products beside Gemmini's RTL", "int8, 16 x 16, weight stationary, operands in DRAM.")
    yield from _table(
        ("M x K x N", "cycles", "utilisation", "Gemmini", "utilisation"),
        [
            (f"{r.m} x {r.k} x {r.n}", f"{r.cycles:,}", f"{r.utilisation:.1%}", f"{r.gemmini_cycles:,}",
             f"{r.gemmini_utilisation:.1%}")
            for r in utilisation.gemmini()
        ],
    )  # fmt: skip


def _scalesim() -> Iterator[str]:
    yield from _head(
        "SCALE-Sim",
        "Sums over all layers of its closed forms, and of our array with its operands in the scratchpads, "
        "requantisation included (`hwsim estimate --scalesim`; held layer by layer by `tests/hwsim/test_scalesim.py`). "
        "Ours loads the next weights beside the stream and starts a tile as the one before ends, so a fold costs "
        "nothing but its pixels. It is slower in ResNet-50's 1x1 layers of 64 channels on 64 x 64: there a sum is one "
        "fold, all that the array makes leaves it at once, and array and output stage wait for each other's latency.",
    )
    yield from _table(
        ("network", "array", "dataflow", "SCALE-Sim", "ours", "ours / SCALE-Sim", "layers slower"),
        [
            (r.net, f"{r.array} x {r.array}", r.dataflow, f"{r.scalesim:,}", f"{r.ours:,}",
             f"{r.ours / r.scalesim:.3f}", str(r.slower))
            for r in utilisation.scalesim()
        ],
    )  # fmt: skip


def _estimates() -> Iterator[str]:
    yield from _head("Speed of an estimate", "The whole process, from ONNX file to table, at `cycle` fidelity.")
    rows = []
    for model, arch in ESTIMATES:
        spent = process(["estimate", model, "--arch", arch])
        rows.append((model, arch, f"{spent.cpu_s:.2f}", f"{spent.wall_s:.2f}"))
    yield from _table(("network", "architecture", "CPU s", "wall s"), rows)


def _head(title: str, text: str) -> Iterator[str]:
    yield f"\n## {title}\n\n{text}\n"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    main()
