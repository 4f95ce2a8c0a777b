"""Energy-aware pruning beside pruning by magnitude: equal networks, data, floor, fine-tuning, steps and retries."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.compress.source import float_graph
from hwsim.bench.mnist import MNIST, load_mnist
from hwsim.bench.page import table
from hwsim.codesign.prune import prune_graph
from hwsim.codesign.settings import METHODS, Method, PruneSettings
from hwsim.energy.prices import COMPONENTS
from hwsim.simulation.build import cache_folder
from hwsim.training import DataSet, Settings, TorchTrainer, load_data
from hwsim.training.initialise import initialised
from rtl.config import load_arch
from workloads.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.ir import Graph
    from hwsim.codesign.report import PruneReport

__all__ = ["CASES", "Comparison", "compare", "lines", "trained"]

CASES: tuple[tuple[str, str], ...] = (
    ("digits-cnn", "dense-16x16"),
    ("digits-cnn", "eie-64"),
    ("digits-mlp", "dense-16x16"),
    ("digits-mlp", "eie-64"),
)
"""Networks whose three prunings take a few minutes each; ``lenet-300-100`` and ``lenet-5`` can be compared too."""
TRAINING = Settings(rate=2e-3, weight_decay=0.05)
TUNING = Settings(rate=4e-3, weight_decay=0.05)
EPOCHS = 30
_ALIKE = 0.1
"""Costs of weights that differ by less are one cost."""

PRUNING: Mapping[Method, PruneSettings] = {m: PruneSettings(method=m, epochs=4, rounds=20) for m in METHODS}

_NOTE = (
    "Networks trained here from fresh weights; at most a point of validation accuracy lost; four epochs of fine-tuning "
    "a round, twenty rounds at most, three failed rounds in a row end it. Energy by the cycle model. *Global* is one "
    "threshold on magnitude over the spread of its layer, *uniform* the same share of every layer. On engines that "
    "skip zeros both remove single weights, and neurons that are left unmade or unread, as the paper's baseline does "
    "(Han et al.); on a dense array, where single zeros save nothing, they remove channels (Li et al.): the paper's "
    "own baseline would leave all of the energy there. The ratio is to the better of the two."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One network on one architecture, by every method."""

    reports: Mapping[Method, PruneReport]

    @property
    def aware(self) -> PruneReport:
        """By energy."""
        return self.reports["energy-aware"]

    @property
    def magnitude(self) -> PruneReport:
        """The better baseline."""
        return min((r for m, r in self.reports.items() if m != "energy-aware"), key=lambda r: r.energy_pj[1])

    @property
    def ratio(self) -> float:
        """Energy left by magnitude over energy left by cost."""
        return self.magnitude.energy_pj[1] / self.aware.energy_pj[1]


def work() -> Path:
    """Where a measurement that is interrupted goes on from; it is gone once all are done."""
    return cache_folder() / "bench-pruning"


def trained(name: str, data: DataSet, checkpoints: Path | None = None) -> Graph:
    """The workload ``name`` with fresh weights, trained on ``data``: its validation part is news to it."""
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        graph = float_graph(resolve(name).file(Path(folder)))
    return TorchTrainer(data, TRAINING, checkpoints=checkpoints).fit(initialised(graph, seed=0), epochs=EPOCHS)


def compare(name: str, arch: str) -> Comparison:
    """Prune the workload ``name`` for ``arch`` by every method.

    Raises:
        InputError: the data are not there.

    """
    data = load_mnist() if name.startswith("lenet") else load_data("digits")
    folder = work() / name
    (folder / arch).mkdir(parents=True, exist_ok=True)
    graph, config = trained(name, data, folder), load_arch(arch)
    reports: dict[Method, PruneReport] = {
        method: prune_graph(
            graph, config, data, settings=settings, tuning=TUNING, name=name, work=folder / arch / method
        ).report
        for method, settings in PRUNING.items()
    }
    return Comparison(reports=reports)


def lines() -> Iterator[str]:
    """The section of the page."""
    yield _NOTE
    yield ""
    found = [compare(name, arch) for name, arch in CASES if not name.startswith("lenet") or MNIST.is_dir()]
    yield from table(
        (
            "network", "architecture", "energy before, µJ", "global magnitude", "uniform magnitude", "energy-aware",
            "magnitude ÷ energy-aware", "test accuracy before", "global", "uniform", "energy-aware",
        ),
        [_row(comparison) for comparison in found],
    )  # fmt: skip
    yield ""
    yield "Where the energy is, and what is left of it:"
    yield ""
    yield from table(
        ("network", "architecture", "", *COMPONENTS, "of what is left, DRAM", "weights kept"),
        [row for comparison in found for row in _breakdown(comparison)],
    )
    yield ""
    for comparison in found:
        yield f"- {_verdict(comparison)}"
    shutil.rmtree(work(), ignore_errors=True)


def _row(c: Comparison) -> tuple[str, ...]:
    by_method = [c.reports[m] for m in ("magnitude", "magnitude-uniform", "energy-aware")]
    return (
        *(c.aware.model, c.aware.arch, f"{c.aware.energy_pj[0] / 1e6:.2f}"),
        *(f"{report.energy_pj[1] / 1e6:.2f}" for report in by_method),
        f"{c.ratio:.2f}",
        f"{c.aware.test_accuracy_before:.1%}",
        *(f"{report.test_accuracy_after:.1%}" for report in by_method),
    )


def _breakdown(c: Comparison) -> Iterator[tuple[str, ...]]:
    """µJ by component: before, by the better baseline, by energy."""
    for what, report, place in (("before", c.aware, 0), ("magnitude", c.magnitude, 1), ("energy-aware", c.aware, 1)):
        assert report.parts is not None, "these cost models tell"
        parts = report.parts[place]
        yield (
            *(report.model, report.arch, what),
            *(f"{getattr(parts, component) / 1e6:.3f}" for component in COMPONENTS),
            f"{parts.dram / parts.total:.0%}",
            f"{report.weights[place]:,}",
        )


def _verdict(c: Comparison) -> str:
    """Which component, and which layers, decide it."""
    assert c.aware.parts is not None, "these cost models tell"
    assert c.magnitude.parts is not None, "these cost models tell"
    mine, theirs = c.aware.parts[1], c.magnitude.parts[1]
    gains = {component: getattr(theirs, component) - getattr(mine, component) for component in COMPONENTS}
    most = max(gains, key=lambda component: abs(gains[component]))
    left = {layer.name: layer.energy_pj_after for layer in c.magnitude.layers}
    layer = max(c.aware.layers, key=lambda la: abs(left[la.name] - la.energy_pj_after))
    share = layer.energy_pj_before / c.aware.energy_pj[0]
    return (
        f"{c.aware.model} on {c.aware.arch}: {c.ratio:.2f}. The difference is {gains[most] / 1e6:+.3f} µJ of {most}, "
        f"most of it in {layer.name} ({share:.0%} of the energy before): {left[layer.name] / 1e6:.3f} µJ by magnitude, "
        f"{layer.energy_pj_after / 1e6:.3f} µJ by energy. A weight that is left costs "
        f"{_per_weight(c.magnitude):.2g} nJ by magnitude, {_per_weight(c.aware):.2g} nJ by energy{_equal_cost(c)}."
    )


def _per_weight(report: PruneReport) -> float:
    """Energy of the whole network for each weight that is left, nJ."""
    return report.energy_pj[1] / report.weights[1] / 1e3


def _equal_cost(c: Comparison) -> str:
    """What follows where both leave weights of one cost: there is no order by energy to gain from."""
    if abs(_per_weight(c.aware) / _per_weight(c.magnitude) - 1) > _ALIKE:
        return ""
    return ": every weight costs alike here, wherever it is, and how many are left decides"
