"""EIE Table IV beside ours, and what load balancing makes of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hwsim.activity import CALIBRATION_SEEDS
from hwsim.bench.page import table
from hwsim.bench.sparse.layers import (
    CLOCK_MHZ,
    balanced,
    balanced_blind,
    balanced_known,
    configuration,
    on_engine,
    pruned,
    uneven,
)
from hwsim.bench.sparse.programs import by_cycle_model, in_rtl
from workloads import eie
from workloads.reference.eie import WALL_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["load_balance", "table_iv"]

_SPREADS = (0.5, 1.0)


def _published(matrix: str) -> Mapping[str, float]:
    (row,) = [r for r in WALL_CLOCK.rows() if r.platform.startswith("EIE") and r.matrix == matrix]
    return row.time_us


def table_iv() -> Iterator[str]:
    """Theoretical and actual time of each layer, published and in RTL; how long both models and RTL take over it."""
    yield (
        "64 PEs at 800 MHz, queues of 8, rows interleaved as they come; layers generated from the densities of Table "
        "III, compiled for `eie-64`, run in RTL (`hwsim simulate eie/alex-6 --arch eie-64 --rows interleaved`). "
        "Theoretical is entries, padding included, over PEs and clock. Actual is `sparse_cycles`, "
        "as the hardware counts them: those in which the engine works, without the loading of weights and the output "
        "stage, as in the paper. Alex-8's published time is of a sample with 42.9 % of its inputs active, not the "
        "37.5 % of Table III; VGG-6's does not follow from its densities."
    )
    yield ""
    theory, actual = _published("theoretical"), _published("actual")
    predicted, found = by_cycle_model(), in_rtl()
    times, checks = [], []
    for name, row in eie.layers().items():
        run, model = found.results[name], predicted.results[name]
        counted = _totals([layer.counters for layer in run.layers])
        expected = _totals([layer.counters for layer in model.layers])
        entries = counted["sparse_macs"] + counted["sparse_padding"]
        ideal, spent = entries / configuration().sparse.pes / CLOCK_MHZ, counted["sparse_cycles"] / CLOCK_MHZ
        a, b = theory[row.layer], actual[row.layer]
        times.append(
            (row.layer, f"{a:.1f}", f"{ideal:.2f}", f"{ideal / a - 1:+.1%}", f"{b:.1f}", f"{spent:.2f}",
             f"{b / a:.2f}", f"{spent / ideal:.3f}", f"{counted['sparse_padding'] / entries:.1%}")
        )  # fmt: skip
        checks.append(
            (row.layer, f"{counted['sparse_cycles']:,}", f"{expected['sparse_cycles']:,}", f"{run.rtl_cycles:,}",
             f"{model.cycles:,}", f"{run.rtl_cycles - model.cycles:,}",
             f"{sum(counted[event] != expected[event] for event in counted)} of {len(counted)}",
             f"{run.mismatched_bytes} of {run.compared_bytes:,}", f"{run.wall_s:.1f}")
        )  # fmt: skip
    columns = (
        "layer", "theoretical µs: EIE", "ours", "difference", "actual µs: EIE", "ours, RTL",
        "actual / theoretical: EIE", "ours", "padding",
    )  # fmt: skip
    yield from table(columns, times)
    yield ""
    yield (
        "The same runs beside the `cycle` model: the engine's cycles, those of the whole program from start to "
        "interrupt, and what differs. The simulator runs a program twice, for its cycles and for the bytes of its "
        "layers."
    )
    yield ""
    columns = (
        "layer", "engine cycles: RTL", "`cycle`", "program cycles: RTL", "`cycle`", "difference",
        "counters that differ", "bytes that differ", "simulator s",
    )  # fmt: skip
    yield from table(columns, checks)
    yield ""
    yield (
        f"All nine on two cores, generated and compiled included: {predicted.wall_s:.1f} s at `cycle` fidelity "
        f"(required: < 10), {found.wall_s / 60:.1f} min in RTL with the simulator built (required: < 10)."
    )


def _totals(layers: Sequence[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counters in layers:
        total.update(counters)
    return total


def load_balance() -> Iterator[str]:
    """Efficiency of rows as they come, and of rows spread over the PEs by the compiler."""
    yield (
        "PE efficiency: entries, padding included, over PEs and cycles; EIE's is its theoretical over its actual time. "
        "*Balanced* is the compiler's permutation: from the weights, and from which inputs are active in "
        f"{len(CALIBRATION_SEEDS)} samples that are not the one that is run, as far as they differ by more than "
        "chance. *Known* is made for the very input that is run, *blind* from the weights alone. In generated layers "
        "inputs are active independently of one another, so that no sample tells anything of the run: *known* cannot "
        "be had "
        "there, and is how much more there would be to gain. A permutation that leaves less padding leaves less to do, "
        "which efficiency does not show and cycles do. It is absorbed into the next layer's columns. Below, matrices "
        "of Alex-7's size and mean densities whose rows differ, as those of real "
        "pruned layers do: there padding falls as well, since dense rows come first."
    )
    yield ""
    theory, actual = _published("theoretical"), _published("actual")
    config = configuration()
    orders = (balanced, balanced_known, balanced_blind)
    rows = []
    for layer in [pruned(name) for name in eie.layers()] + [uneven(spread) for spread in _SPREADS]:
        plain = on_engine(layer, config)
        even = [on_engine(layer, config, order(layer, config)) for order in orders]
        theirs = f"{theory[layer.name] / actual[layer.name]:.1%}" if layer.name in theory else ""
        rows.append(
            (layer.name, theirs, f"{plain.efficiency:.1%}", *(f"{found.efficiency:.1%}" for found in even),
             f"{plain.cycles:,}", *(f"{found.cycles:,}" for found in even), f"{plain.cycles / even[0].cycles:.3f}")
        )  # fmt: skip
    columns = (
        "layer", "EIE", "interleaved", "balanced", "known", "blind", "cycles interleaved", "balanced", "known", "blind",
        "speed-up",
    )  # fmt: skip
    yield from table(columns, rows)
