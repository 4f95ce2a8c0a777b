"""``hwsim prune`` as a function: a trained network in, a smaller one and an account of it out."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.finish import activation_ranges, fold, quantised_model
from compiler.compress.layers import weight_layers
from compiler.compress.masks import Masks
from compiler.compress.quantisers.codebook import Codebook
from compiler.compress.shrink import shrink
from compiler.compress.source import float_graph
from hwsim.codesign.dense_cost import DenseCost
from hwsim.codesign.pruner import Pruner
from hwsim.codesign.report import LayerSaving, PruneReport
from hwsim.codesign.settings import PruneSettings
from hwsim.errors import InputError
from hwsim.files import make_folder
from hwsim.progress import SILENT
from hwsim.training import DataSet, Settings, TorchTrainer, load_data
from hwsim.training.checkpoint import Digest
from hwsim.training.data import fit_to
from rtl.config import ArchConfig, load_arch
from workloads.registry import resolve

if TYPE_CHECKING:
    import onnx

    from compiler.compress.quantisers.base import Codes
    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph
    from hwsim.codesign.cost import CostModel, NetworkCost
    from hwsim.codesign.state import Pruned, State
    from hwsim.progress import Reporter

__all__ = ["PruneOutcome", "cost_model", "prune", "prune_graph"]

CALIBRATION_SAMPLES = 256
SAMPLE_INPUTS = 2
"""Over which the cost of a sparse engine is averaged."""
_TUNING = Settings(rate=1e-3)
_HOPELESS = 1.5
"""A network that is right less often than this many times chance has not been trained on these classes."""


@dataclass(frozen=True, slots=True, eq=False)
class PruneOutcome:
    """The pruned network, quantised to int8 as ordinary ONNX, and what became of it."""

    model: onnx.ModelProto
    graph: Graph
    """The float network in its original shape, zeros where it is pruned."""
    masks: Masks
    report: PruneReport


def cost_model(config: ArchConfig, graph: Graph, trainer: Trainer) -> CostModel:
    """The guide for an architecture: the accelerator's own models.

    Mapped as ``estimate`` and ``simulate`` map without being asked, so that they find what is predicted here.
    """
    if config.sparse_engine is None:
        return DenseCost(config)
    # Late: what a sparse layer costs is compiled when it is first asked.
    from hwsim.codesign.sparse_cost import SparseCost

    folded, _ = fold(graph, Masks.none())
    port = graph.input_ports[0]
    inputs = trainer.activations(graph, SAMPLE_INPUTS, [port.tensor])[port.tensor]
    return SparseCost(config, activation_ranges(folded, trainer, CALIBRATION_SAMPLES), inputs)


def prune(
    model: str,
    arch: str | Path | ArchConfig,
    *,
    data: str | DataSet = "digits",
    settings: PruneSettings | None = None,
    tuning: Settings | None = None,
    work: Path | None = None,
    reporter: Reporter = SILENT,
) -> PruneOutcome:
    """Prune the float ``model`` (a file or workload) for ``arch``.

    ``work`` is a folder that the state goes to: run again with it, pruning goes on from there.

    Raises:
        ConfigError, ModelError, WorkloadError, InputError, ToolError: one line that names the culprit.

    """
    config = arch if isinstance(arch, ArchConfig) else load_arch(arch)
    tuning = tuning or _TUNING
    given = load_data(data, tuning.seed) if isinstance(data, str) else data
    reporter.stage(f"reading {model}")
    workload = resolve(model)
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        graph = float_graph(workload.file(Path(folder)))
    return prune_graph(
        graph, config, given, settings=settings or PruneSettings(), tuning=tuning, name=workload.name, work=work,
        reporter=reporter,
    )  # fmt: skip


def prune_graph(
    graph: Graph,
    config: ArchConfig,
    data: DataSet,
    *,
    settings: PruneSettings,
    tuning: Settings,
    name: str,
    work: Path | None = None,
    reporter: Reporter = SILENT,
) -> PruneOutcome:
    """As :func:`prune`, of a float graph (:func:`compiler.compress.source.float_graph`)."""
    data = fit_to(graph, data)
    if work is not None:
        make_folder(work)
    trainer = TorchTrainer(data, tuning, checkpoints=work, reporter=reporter)
    cost = cost_model(config, graph, trainer)
    file = None if work is None else work / "pruning.npz"
    pruner = Pruner(
        graph, cost, trainer, settings, work=file, key=_key(graph, config, data, settings, tuning), reporter=reporter
    )
    if pruner.baseline < _HOPELESS / data.classes:
        raise InputError(
            f"{name} is right in {pruner.baseline:.1%} of {data.name}, hardly more than chance: train it first "
            "(hwsim train)"
        )
    state = pruner.run()
    reporter.stage("quantising")
    report = _report(pruner, state, trainer, name=name, arch=config.name, data=data.name)
    final = state.accepted
    return PruneOutcome(_quantised(final, config, trainer, report), final.graph, final.masks, report)


def _key(graph: Graph, config: ArchConfig, data: DataSet, settings: PruneSettings, tuning: Settings) -> str:
    digest = Digest(sorted(asdict(settings).items()), tuning, config.model_dump_json()).graph(graph)
    for part in (data.train, data.validation):
        digest.array(part.x).array(part.y)
    return digest.hex()


def _quantised(pruned: Pruned, config: ArchConfig, trainer: TorchTrainer, report: PruneReport) -> onnx.ModelProto:
    folded, _ = fold(*shrink(pruned.graph, pruned.masks))
    ranges = activation_ranges(folded, trainer, CALIBRATION_SAMPLES)
    about = (("hwsim.pruned", f"{report.settings.method} for {report.settings.objective} on {report.arch}"),)
    return quantised_model(folded, ranges, _codes(folded, config), about=about)


def _codes(graph: Graph, config: ArchConfig) -> dict[str, Codes]:
    """Shared weights, where the engine's entries are codes of a table; int8 is the model writer's own choice."""
    if config.sparse_engine is None or config.sparse.weights != "codebook":
        return {}
    method = Codebook(bits=config.sparse.code_bits)
    values = {layer.weights: (layer.filter_axis, graph.constant(layer.weights)) for layer in weight_layers(graph)}
    return {name: method.fit(w, axis).encode(w) for name, (axis, w) in values.items() if w is not None}


def _report(pruner: Pruner, state: State, trainer: TorchTrainer, *, name: str, arch: str, data: str) -> PruneReport:
    before = pruner.cost.cost(pruner.graph, Masks.none())
    after = pruner.cost.cost(state.accepted.graph, state.accepted.masks)
    tuned = state.accepted.graph
    return PruneReport(
        model=name,
        arch=arch,
        data=data,
        settings=pruner.settings,
        layers=_savings(pruner.graph, tuned, (before, after)),
        accuracy_before=pruner.baseline,
        accuracy_after=trainer.evaluate(tuned),
        test_accuracy_before=trainer.test(pruner.graph),
        test_accuracy_after=trainer.test(tuned),
        steps=state.locals,
        rounds=state.rounds,
        parts=None if before.parts is None or after.parts is None else (before.parts, after.parts),
    )


def _savings(graph: Graph, pruned: Graph, costs: tuple[NetworkCost, NetworkCost]) -> tuple[LayerSaving, ...]:
    before, after = costs
    weights = {layer.name: layer.weights for layer in weight_layers(graph)}
    savings = []
    for name, cost in before.layers.items():
        left = after.layers.get(name)
        constant = weights.get(name, "")
        savings.append(
            LayerSaving(
                name=name,
                energy_pj_before=cost.energy_pj,
                energy_pj_after=left.energy_pj if left else 0.0,
                cycles_before=cost.cycles,
                cycles_after=left.cycles if left else 0,
                weights_before=_nonzeros(graph, constant),
                weights_after=_nonzeros(pruned, constant),
            )
        )
    return tuple(savings)


def _nonzeros(graph: Graph, constant: str) -> int:
    value = graph.constant(constant) if constant else None
    return 0 if value is None else int(np.count_nonzero(value))
