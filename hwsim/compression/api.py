"""``hwsim.compress``: the Python function behind the command."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.compress.pipeline import Compressed, compress_graph
from compiler.compress.recipe import Recipe, load_recipe
from compiler.compress.source import float_graph
from compiler.compress.storage import LayerStorage
from compiler.compress.summary import LayerSummary, layer_summaries
from compiler.compress.untrained import Untrained
from hwsim.compression.energy import energy_per_weight
from hwsim.files import check_output, write_bytes
from hwsim.progress import SILENT
from hwsim.training.data import DataSet, fit_to, load_data
from rtl.config import ArchConfig, load_arch
from workloads.registry import resolve

if TYPE_CHECKING:
    import onnx

    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph
    from hwsim.progress import Reporter
    from hwsim.training.settings import Settings

__all__ = ["Compression", "compress", "trainer_for"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Compression:
    """A compressed network. Accuracies are 0..1, ``test`` ones on data that decided nothing."""

    name: str
    recipe: Recipe
    model: onnx.ModelProto
    layers: tuple[LayerSummary, ...]
    weights_before: int
    accuracy_before: float
    accuracy: float
    """On validation data, weights as they are stored and activations in floats."""
    test_before: float | None
    test: float | None
    log: tuple[str, ...]
    storage: tuple[LayerStorage, ...] = ()
    """What each layer takes when stored as Deep Compression does, if the recipe has a `store` step."""

    @property
    def weights(self) -> int:
        """Elements of all weight tensors, zeros included."""
        return sum(layer.weights for layer in self.layers)

    @property
    def kept(self) -> int:
        """Weights that are not zero."""
        return sum(layer.kept for layer in self.layers)

    def save(self, path: Path) -> None:
        """Write the ONNX file, whole or not at all.

        Raises:
            InputError: it cannot be written.

        """
        write_bytes(path, self.model.SerializeToString(deterministic=True))

    def to_json(self) -> dict[str, Any]:
        """As ``hwsim compress --json`` writes it."""
        return {
            "model": self.name,
            "recipe": self.recipe.model_dump(),
            "accuracy": {
                "validation_before": self.accuracy_before,
                "validation": self.accuracy,
                "test_before": self.test_before,
                "test": self.test,
            },
            "weights_before": self.weights_before,
            "weights": self.weights,
            "kept": self.kept,
            "layers": [asdict(layer) for layer in self.layers],
            "storage": [
                {**asdict(s), "ratio_p": s.ratio_p, "ratio_pq": s.ratio_pq, "ratio_pqh": s.ratio_pqh}
                for s in self.storage
            ],
            "log": list(self.log),
        }


def compress(
    model: str,
    recipe: str | Path | Recipe,
    *,
    data: str | DataSet = "digits",
    output: Path | None = None,
    arch: str | Path | ArchConfig | None = None,
    settings: Settings | None = None,
    checkpoints: Path | None = None,
    reporter: Reporter = SILENT,
) -> Compression:
    """Do to ``model`` what ``recipe`` says, and write the result to ``output`` if that is given.

    ``data`` is what scores, calibration and training look at: ``digits``, or an ``.npz`` file (see
    :func:`hwsim.training.load_data`). ``arch`` is asked for the energy of a weight by the score of that name.
    ``settings`` are how to train; with ``checkpoints``, a folder, what was killed goes on where it was.

    Raises:
        ConfigError, ModelError, WorkloadError, InputError: one line that names the culprit.

    """
    if output is not None:
        check_output(output)
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    config = None if arch is None else arch if isinstance(arch, ArchConfig) else load_arch(arch)
    data = data if isinstance(data, DataSet) else load_data(data, recipe.seed)
    reporter.stage(f"reading {model}")
    graph, name = _read(model)
    trainer, test = trainer_for(graph, data, recipe.seed, settings=settings, checkpoints=checkpoints, reporter=reporter)
    first = layer_weights(graph)
    result = compress_graph(
        graph,
        recipe,
        trainer,
        energy_pj=lambda current: {} if config is None else energy_per_weight(current, config),
        report=reporter.stage,
    )
    compression = _summed_up(name, recipe, result, first, test, graph)
    if output is not None:
        compression.save(output)
    return compression


def layer_weights(graph: Graph) -> int:
    """Elements of all weight tensors."""
    from compiler.compress.layers import weight_layers

    return sum(layer.value(graph).size for layer in weight_layers(graph))


def _read(model: str) -> tuple[Graph, str]:
    workload = resolve(model)
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        return float_graph(workload.file(Path(folder))), workload.name


def _summed_up(name: str, recipe: Recipe, result: Compressed, first: int, test: Trainer, graph: Graph) -> Compression:
    return Compression(
        name=name,
        recipe=recipe,
        model=result.model,
        layers=layer_summaries(result.state),
        weights_before=first,
        accuracy_before=result.accuracy_before,
        accuracy=result.accuracy,
        test_before=test.evaluate(graph),
        test=test.evaluate(result.state.emulated),
        log=result.state.log,
        storage=result.storage,
    )


def trainer_for(
    graph: Graph,
    data: DataSet,
    seed: int,
    *,
    settings: Settings | None = None,
    checkpoints: Path | None = None,
    reporter: Reporter = SILENT,
) -> tuple[Trainer, Trainer]:
    """What trains and decides, and what measures the accuracy that is reported: on PyTorch where it is installed.

    Without it the numpy interpreter does all but training and gradients.

    Raises:
        InputError: the data do not fit the network.

    """
    parts = fit_to(graph, data)
    tested = DataSet(name=data.name, train=parts.train, validation=parts.test, test=parts.test)
    if importlib.util.find_spec("torch") is None:
        return _untrained(parts), _untrained(tested)
    from hwsim.training import Settings, TorchTrainer

    chosen = settings or Settings(seed=seed)
    trainer = TorchTrainer(parts, chosen, checkpoints=checkpoints, reporter=reporter)
    return trainer, TorchTrainer(tested, chosen)


def _untrained(parts: DataSet) -> Untrained:
    return Untrained(
        inputs=parts.train.x,
        classes=parts.train.y,
        test_inputs=parts.validation.x,
        test_classes=parts.validation.y,
    )
