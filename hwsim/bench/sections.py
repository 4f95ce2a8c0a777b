"""The sections of the page of measurements, in its order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.bench import area as synthesis
from hwsim.bench import emission, energies, eyeriss, fidelity, fpga, silicon, speed, sweeping, utilisation
from hwsim.bench.build_time import turnaround
from hwsim.bench.overhead import measure
from hwsim.bench.page import Section, table
from hwsim.bench.sparse import area, convolutions, sweeps, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SECTIONS"]

RESNET8 = Path("../shared/models/onnx_from_tflite/pretrainedResnet_quant.onnx")
"""MLPerf Tiny's; the digits network stands in where it is absent."""


def _model() -> str:
    return str(RESNET8) if RESNET8.exists() else "digits-cnn"


def _turnaround() -> Iterator[str]:
    model = _model()
    t = turnaround(model, "dense-16x16")
    yield f"`hwsim simulate {Path(model).name}`, dense-16x16."
    yield ""
    yield from table(
        ("", "wall s", "CPU s", "required, wall s"),
        [
            ("cold: Verilog, Verilator, C++, two runs", f"{t.cold.wall_s:.1f}", f"{t.cold.cpu_s:.1f}", "90"),
            ("warm", f"{t.warm.wall_s:.1f}", f"{t.warm.cpu_s:.1f}", "10"),
        ],
    )
    speed = t.cycles / t.simulated_s / 1e3
    verdict = "equal" if t.agrees else "**different**"
    yield ""
    yield f"{t.cycles:,} cycles, simulated at {speed:,.0f} k cycles/s; bytes, cycles and counters are {verdict}."


def _overhead() -> Iterator[str]:
    o = measure(_model(), "dense-16x16", repeats=7)
    yield (
        "The same Verilated model and program under cocotb and under a bare C++ main, from start to interrupt, "
        "alternately; the best of 7 runs each."
    )
    yield ""
    yield from table(
        ("", "ns per cycle"),
        [
            ("bare C++", f"{o.bare_ns:,.0f}"),
            ("cocotb", f"{o.cocotb_ns:,.0f}"),
            ("cocotb's share (required: < 10 %)", f"{o.share:+.1%}"),
        ],
    )


def _utilisation() -> Iterator[str]:
    yield "Of the array's peak, by the cycle model, which equals the RTL."
    yield ""
    rows = []
    model = _model()
    for name, required in ((model, "70 %" if "Resnet" in model else ""), ("gemm-512x512x512", "97 %")):
        row = utilisation.network(name, "dense-16x16")
        limits = ", ".join(f"{what} {share:.0%}" for what, share in sorted(row.bounds.items(), key=lambda b: -b[1]))
        rows.append((row.model, f"{row.cycles:,}", f"{row.utilisation:.1%}", required, limits))
    yield from table(("network", "cycles", "utilisation", "required", "cycles by what binds the layer"), rows)


def _gemmini() -> Iterator[str]:
    yield (
        "int8, 16 x 16, weight stationary, operands in DRAM; Gemmini as a third party measured it in Verilator. What "
        "it takes over the ideal fits 16 cycles for each tile of weights: 4,117 for the 256 tiles of 256 x 256 x 256,"
        " 16,122 for the 1,024 of 16 x 512 x 512, where a tile streams for no longer than it loads, and most of the "
        "18,952 of 512 x 512 x 512. Small products pay some 2,000 more to start and to finish. Ours loads a tile of "
        "weights while the one before streams, and fetches its program by itself; what it takes over the ideal is the"
        " first load, the last store and the output stage."
    )
    yield ""
    yield from table(
        ("M x K x N", "ideal", "ours", "utilisation", "Gemmini", "utilisation", "ours / Gemmini"),
        [
            (f"{r.m} x {r.k} x {r.n}", f"{r.ideal_cycles:,}", f"{r.cycles:,}", f"{r.utilisation:.1%}",
             f"{r.gemmini_cycles:,}", f"{r.gemmini_utilisation:.1%}", f"{r.cycles / r.gemmini_cycles:.2f}")
            for r in utilisation.gemmini()
        ],
    )  # fmt: skip


def _scalesim() -> Iterator[str]:
    yield (
        "Sums over all layers of its closed forms, and of our array with its operands in the scratchpads, "
        "requantisation included (`hwsim estimate --scalesim`; held layer by layer by "
        "`tests/hwsim/test_scalesim.py`). Ours loads the next weights beside the stream and starts a tile as the one "
        "before ends, so a fold costs nothing but its pixels: SCALE-Sim's `2 rows + cols - 2` cycles of load, fill and "
        "drain per fold (weight stationary; `rows + cols - 2` output stationary) are paid once per layer. Ours "
        "has the output stage on top: `8 + 6` cycles per tile of outputs, and once `10 + cols` to leave it. Where a "
        "sum is one fold (ResNet-50's 1x1 layers of 64 channels on 64 x 64) it is as busy as the array, and is "
        "chained to it: it follows the sums as they are made, and weights arrive beside the stream that uses them. "
        "Input stationary SCALE-Sim's forms are printed beside ours, which has no such dataflow."
    )
    yield ""
    yield from table(
        ("network", "array", "dataflow", "SCALE-Sim", "ours", "ours / SCALE-Sim", "layers slower"),
        [
            (r.net, f"{r.array} x {r.array}", r.dataflow, f"{r.scalesim:,}", f"{r.ours:,}",
             f"{r.ours / r.scalesim:.3f}", str(r.slower))
            for r in utilisation.scalesim()
        ],
    )  # fmt: skip


def _pruning() -> Iterator[str]:
    # Late: PyTorch takes seconds.
    from hwsim.bench import pruning

    yield from pruning.lines()


SECTIONS: tuple[Section, ...] = (
    Section(key="build", title="From an empty cache to a simulated network", measure=_turnaround),
    Section(key="emission", title="Verilog and simulator by size of the array", measure=emission.lines),
    Section(key="cocotb", title="What cocotb costs", measure=_overhead),
    Section(key="utilisation", title="Utilisation", measure=_utilisation),
    Section(key="fidelity", title="The analytic model beside the cycle model", measure=fidelity.lines),
    Section(key="eyeriss", title="AlexNet and VGG-16 beside Eyeriss", measure=eyeriss.lines),
    Section(key="gemmini", title="Matrix products beside Gemmini's RTL", measure=_gemmini),
    Section(key="eie", title="EIE Table IV", measure=tables.table_iv),
    Section(key="balance", title="Load balance of the sparse engine", measure=tables.load_balance),
    Section(key="fifo", title="Depth of the sparse engine's queues", measure=sweeps.fifo_depth),
    Section(key="pes", title="Number of PEs of the sparse engine", measure=sweeps.pe_count),
    Section(key="eie-area", title="Memory and area beside EIE Table II", measure=area.lines),
    Section(key="sparse-conv", title="Pruned convolutions beside an expectation", measure=convolutions.lines),
    Section(key="scalesim", title="SCALE-Sim", measure=_scalesim),
    Section(key="energies", title="Published energies", measure=energies.lines),
    Section(key="silicon", title="Energy of a MAC in silicon", measure=silicon.lines),
    Section(key="area", title="Area and frequency of the presets", measure=synthesis.lines),
    Section(key="fpga", title="The presets in an FPGA", measure=fpga.lines),
    Section(key="tools", title="Speed beside ZigZag and SCALE-Sim", measure=speed.against_others),
    Section(key="sweeps", title="Sweeps", measure=sweeping.lines),
    Section(key="pruning", title="Energy-aware pruning beside pruning by magnitude", measure=_pruning),
    Section(key="speed", title="Speed of an estimate", measure=speed.of_estimates),
)
