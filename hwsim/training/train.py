"""``hwsim train`` as a function."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from compiler.compress.source import float_graph
from compiler.frontend.write import to_onnx
from hwsim.progress import SILENT
from hwsim.training import DataSet, Settings, TorchTrainer, load_data
from hwsim.training.data import fit_to
from hwsim.training.initialise import initialised
from workloads.registry import resolve

if TYPE_CHECKING:
    import onnx

    from compiler.ir import Graph
    from hwsim.progress import Reporter

__all__ = ["Start", "TrainOutcome", "TrainReport", "train"]

Start = Literal["given", "fresh"]
"""The weights in the model, or new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """Accuracies, 0..1."""

    model: str
    data: str
    epochs: int
    settings: Settings
    validation_before: float
    validation_after: float
    test_before: float
    test_after: float

    def to_json(self) -> dict[str, Any]:
        """Keys as the fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class TrainOutcome:
    """The trained network, float, as a graph and as ONNX."""

    model: onnx.ModelProto
    graph: Graph
    report: TrainReport


def train(
    model: str,
    *,
    data: str | DataSet = "digits",
    epochs: int = 20,
    settings: Settings | None = None,
    start: Start = "given",
    work: Path | None = None,
    reporter: Reporter = SILENT,
) -> TrainOutcome:
    """Train the float ``model``, a file or workload, for ``epochs``.

    Raises:
        ModelError, WorkloadError, InputError: one line that names the culprit.

    """
    settings = settings or Settings()
    given = load_data(data, settings.seed) if isinstance(data, str) else data
    reporter.stage(f"reading {model}")
    workload = resolve(model)
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        graph = float_graph(workload.file(Path(folder)))
    trainer = TorchTrainer(fit_to(graph, given), settings, checkpoints=work, reporter=reporter)
    first = graph if start == "given" else initialised(graph, settings.seed)
    tuned = trainer.fit(first, epochs=epochs)
    report = TrainReport(
        model=workload.name,
        data=given.name,
        epochs=epochs,
        settings=settings,
        validation_before=trainer.evaluate(first),
        validation_after=trainer.evaluate(tuned),
        test_before=trainer.test(first),
        test_after=trainer.test(tuned),
    )
    return TrainOutcome(to_onnx(tuned), tuned, report)
