"""What a worker does: points in, outcomes out, and a reason wherever there is no figure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from hwsim.pricing import estimate_layers
from hwsim.sweeps.evaluation.cache import Cache
from hwsim.sweeps.evaluation.columns import evaluate_columns
from hwsim.sweeps.evaluation.environment import environment
from hwsim.sweeps.evaluation.faults import attempt, worker_name
from hwsim.sweeps.evaluation.figures import early_figures, figures, layer_figures
from hwsim.sweeps.evaluation.networks import accuracy_of, network_of
from hwsim.sweeps.evaluation.outcome import Outcome
from hwsim.sweeps.evaluation.settings import settings_of
from hwsim.sweeps.evaluation.timing import timing_of
from hwsim.sweeps.evaluation.verify import verified
from hwsim.sweeps.metrics import METRICS
from hwsim.sweeps.specification.specification import specification_from_json

if TYPE_CHECKING:
    from hwsim.costing import Fidelity
    from hwsim.sweeps.evaluation.outcome import PointTask, State, Task
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["evaluate"]

_Verdict = tuple["State", str, dict[str, float], list[dict[str, Any]] | None]


def evaluate(task: Task) -> list[Outcome]:
    """Every point of ``task``, in its order. No error of a point's gets out."""
    specification = specification_from_json(task.specification)
    cache = Cache(task.cache)
    if task.fidelity == "vectorised":
        return evaluate_columns(specification, task, cache)
    return [_outcome(specification, point, task, cache) for point in task.points]


class _Stopwatch:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.begin = self.last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self.last, 6)
        self.last = now

    def all(self) -> dict[str, float]:
        return {**self.seconds, "total": round(time.perf_counter() - self.begin, 6)}


def _outcome(specification: Specification, point: PointTask, task: Task, cache: Cache) -> Outcome:
    watch = _Stopwatch()
    state, reason, metrics, layers = attempt(
        point.id,
        lambda: _evaluated(specification, point, task, cache, watch),
        lambda why: ("failed", why, {}, None),
    )
    return Outcome(
        id=point.id,
        fidelity=task.fidelity,
        state=state,
        reason=reason,
        metrics=metrics,
        layers=layers,
        timings=watch.all(),
        worker=worker_name(),
        environment=environment(),
    )


def _evaluated(specification: Specification, point: PointTask, task: Task, cache: Cache, watch: _Stopwatch) -> _Verdict:
    """State, reason, figures and layers of a point."""
    settings = settings_of(specification, point.assignment)
    values = specification.space.effective(point.assignment)
    early = early_figures(settings.config)
    unknown = dict.fromkeys(METRICS, float("nan"))
    for constraint in specification.early:
        if not constraint.holds(values | unknown | early):
            return "excluded", f"{constraint.text} does not hold", early, None
    network = network_of(settings, cache)
    watch.lap("network")
    if task.fidelity == "rtl":
        return verified(network, settings, watch.lap)
    fidelity: Fidelity = "cycle" if task.fidelity == "cycle" else "analytic"
    timing = timing_of(network, settings, fidelity, cache)
    watch.lap("timing")
    estimate = estimate_layers(network.network, timing.infos, settings.config, timing.cycles, fidelity)
    metrics = figures(estimate, settings.config) | network.figures
    if specification.asks_for("accuracy"):
        accuracy = accuracy_of(network, settings, cache)
        watch.lap("accuracy")
        if accuracy is None:
            raise InputError(f"{settings.model}: has no test set for its accuracy; data: FILE.npz can bring one")
        metrics["accuracy"] = accuracy
    return "done", "", metrics, layer_figures(estimate)
