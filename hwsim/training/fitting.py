"""One run of training: epochs of steps, validation after each, and a checkpoint to go on from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hwsim.errors import InputError
from hwsim.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hwsim.training.losses import distilled, logits_of, penalty_of
from hwsim.training.parameters import decayed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from compiler.compress.trainer import Penalty
    from compiler.ir import Graph
    from hwsim.progress import Reporter
    from hwsim.training.data import DataSet, Part
    from hwsim.training.executor import Executor
    from hwsim.training.settings import Distillation, Settings

__all__ = ["Fitting", "accuracy", "logits"]

_EVALUATION_BATCH = 512


@dataclass(slots=True)
class _Progress:
    """Where a run is; what a checkpoint holds beside arrays."""

    epoch: int = 0
    """Epochs that are done."""
    best: float = -1.0
    """Best validation accuracy."""
    stale: int = 0
    """Epochs since."""
    finished: bool = False


class Fitting:
    """Trains the parameters of an executor in place.

    The order of the samples follows from seed and epoch, the rate from the step: nothing but the arrays and a few
    numbers is carried from one epoch to the next, so a run that is killed goes on from its last epoch as if it had not
    been.
    """

    def __init__(
        self,
        executor: Executor,
        graph: Graph,
        data: DataSet,
        settings: Settings,
        *,
        penalty: Penalty | None,
        teacher: tuple[Executor, str] | None,
        distillation: Distillation | None,
        reporter: Reporter,
    ) -> None:
        self._executor, self._data, self._settings = executor, data, settings
        self._logits, self._port = logits_of(graph), graph.input_ports[0].name
        self._penalty, self._teacher, self._distillation = penalty, teacher, distillation
        self._reporter = reporter
        self._optimizer = _optimizer(executor, graph, settings)
        self._at = _Progress()
        self._best: dict[str, NDArray] = {}
        self._loss = float("nan")

    def run(self, epochs: int, key: str, checkpoint: Path | None) -> None:
        """Train for ``epochs`` in all, those of an earlier run that was killed included.

        Raises:
            InputError: the loss is not finite any more, or the checkpoint cannot be read or written.

        """
        if checkpoint is not None:
            self._resume(load_checkpoint(checkpoint, key))
        started, first = time.monotonic(), self._at.epoch
        while self._at.epoch < epochs and not self._at.finished:
            self._epoch(epochs, _remaining(started, self._at.epoch - first, epochs - self._at.epoch))
            self._at.epoch += 1
            self._validate()
            self._at.finished = self._at.finished or self._at.epoch == epochs
            if self._at.finished and self._settings.patience is not None and self._best:
                self._executor.restore(self._best)
            if checkpoint is not None:
                save_checkpoint(checkpoint, self._checkpoint(key))

    def _epoch(self, epochs: int, left: str) -> None:
        part, settings = self._data.train, self._settings
        steps = -(-len(part) // settings.batch)
        known = f", accuracy {self._at.best:.1%}, loss {self._loss:.3g}{left}" if self._at.best >= 0 else ""
        self._reporter.stage(f"training, epoch {self._at.epoch + 1} of {epochs}{known}", steps)
        # Anew from the seed and the epoch: a resumed run sees the samples in the same order.
        rng = np.random.default_rng((settings.seed, self._at.epoch))
        torch.manual_seed(int(rng.integers(2**62)))
        total = 0.0
        for step, chosen in enumerate(np.array_split(rng.permutation(len(part)), steps)):
            progress = (self._at.epoch + step / steps) / epochs
            loss = self._step(torch.from_numpy(part.x[chosen]), torch.from_numpy(part.y[chosen]), progress)
            if not np.isfinite(loss):
                number = self._at.epoch * steps + step
                raise InputError(
                    f"the loss is {loss} in step {number} (epoch {self._at.epoch + 1}, rate {settings.rate:g}); "
                    "lower the rate, or look for extreme values in the data"
                )
            total += loss * len(chosen)
            self._reporter.at(step + 1)
        self._loss = total / len(part)

    def _step(self, x: Tensor, y: Tensor, progress: float) -> float:
        settings = self._settings
        rate = settings.rate * (0.5 * (1 + np.cos(np.pi * progress)) if settings.schedule == "cosine" else 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = float(rate)
        self._optimizer.zero_grad()
        scores = self._executor({self._port: x}, training=True, wanted=[self._logits])[self._logits].flatten(1)
        loss = distilled(scores, y, self._taught(x), self._distillation)
        if self._penalty is not None:
            loss = loss + penalty_of(self._penalty, self._executor.parameters)
        value = float(loss.detach())
        if np.isfinite(value):
            loss.backward()
            self._optimizer.step()
            # Momentum and decay would move them off zero.
            self._executor.apply_masks()
        return value

    def _taught(self, x: Tensor) -> Tensor | None:
        if self._teacher is None:
            return None
        teacher, name = self._teacher
        with torch.no_grad():
            return teacher({self._port: x}, wanted=[name])[name].flatten(1)

    def _validate(self) -> None:
        reached = accuracy(self._executor, self._port, self._logits, self._data.validation)
        if reached > self._at.best:
            self._at.best, self._at.stale = reached, 0
            if self._settings.patience is not None:
                self._best = self._executor.state()
        else:
            self._at.stale += 1
            self._at.finished = self._settings.patience is not None and self._at.stale >= self._settings.patience

    def _checkpoint(self, key: str) -> Checkpoint:
        arrays = {f"now/{name}": value for name, value in self._executor.state().items()}
        if not self._at.finished:
            arrays |= {f"best/{name}": value for name, value in self._best.items()}
            arrays |= {
                f"optimizer/{index}/{name}": np.asarray(value.numpy())
                for index, state in self._optimizer.state_dict()["state"].items()
                for name, value in state.items()
                if value is not None
            }
        at = self._at
        facts = {"epoch": at.epoch, "best": at.best, "stale": at.stale, "finished": at.finished, "loss": self._loss}
        return Checkpoint(key, arrays, facts)

    def _resume(self, saved: Checkpoint | None) -> None:
        if saved is None:
            return
        facts = saved.facts
        self._at = _Progress(facts["epoch"], facts["best"], facts["stale"], facts["finished"])
        self._loss = facts["loss"]
        self._executor.restore(_under("now/", saved))
        self._best = _under("best/", saved)
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer/", saved).items():
            index, key = name.split("/", 1)
            states.setdefault(int(index), {})[key] = torch.from_numpy(value.copy())
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": states, "param_groups": groups})


def _under(prefix: str, saved: Checkpoint) -> dict[str, NDArray]:
    return {name.removeprefix(prefix): value for name, value in saved.arrays.items() if name.startswith(prefix)}


def _optimizer(executor: Executor, graph: Graph, settings: Settings) -> torch.optim.Optimizer:
    shrunk = [value for name, value in executor.parameters.items() if decayed(graph, name)]
    others = [value for name, value in executor.parameters.items() if not decayed(graph, name)]
    groups = [
        {"params": params, "weight_decay": decay}
        for params, decay in ((shrunk, settings.weight_decay), (others, 0.0))
        if params
    ]
    if not groups:
        raise InputError(f"{graph.name}: there is nothing to train in it")
    if settings.optimizer == "adam":
        return torch.optim.AdamW(groups, lr=settings.rate)
    nesterov = settings.momentum > 0
    return torch.optim.SGD(groups, lr=settings.rate, momentum=settings.momentum, nesterov=nesterov)


def _remaining(started: float, done: int, left: int) -> str:
    if done == 0:
        return ""
    seconds = round((time.monotonic() - started) / done * left)
    return f", {seconds // 60}:{seconds % 60:02d} left"


def _batches(part: Part) -> Iterator[slice]:
    for start in range(0, len(part), _EVALUATION_BATCH):
        yield slice(start, start + _EVALUATION_BATCH)


def logits(executor: Executor, port: str, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tensor ``name`` ``[n, classes]`` for the inputs ``x``, batch norms as at inference."""
    with torch.no_grad():
        return executor({port: torch.from_numpy(x)}, wanted=[name])[name].flatten(1).numpy()


def accuracy(executor: Executor, port: str, name: str, part: Part) -> float:
    """The share of samples whose largest logit is the label's."""
    right = sum(
        int((logits(executor, port, name, part.x[chunk]).argmax(1) == part.y[chunk]).sum()) for chunk in _batches(part)
    )
    return right / len(part)
