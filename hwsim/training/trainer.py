"""PyTorch behind the protocol by which compression asks for training (:class:`compiler.compress.trainer.Trainer`)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from compiler.compress.masks import Masks
from compiler.compress.trainer import Gradients
from hwsim.progress import SILENT
from hwsim.training.checkpoint import Digest
from hwsim.training.data import fit_to
from hwsim.training.executor import Executor
from hwsim.training.fitting import Fitting, accuracy
from hwsim.training.losses import distilled, logits_of
from hwsim.training.settings import Distillation, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from compiler.compress.quantisers.base import WeightQuantiser
    from compiler.compress.trainer import Penalty
    from compiler.ir import Graph, QuantParams
    from hwsim.progress import Reporter
    from hwsim.training.data import DataSet, Part

__all__ = ["TorchTrainer"]


class TorchTrainer:
    """Trains and measures float graphs on one data set.

    With ``checkpoints``, a folder, each call of :meth:`fit` leaves its state there under a digest of all that it
    depends on. A call that was killed goes on from its last epoch, one that had finished returns at once: a program
    that is killed and run again repeats no training and comes to the same result.

    ``activations`` are tensors that the forward pass rounds to int8 (see :func:`hwsim.training.activation_grid`).
    ``teacher`` is a graph whose logits are learnt besides the labels.
    """

    def __init__(
        self,
        data: DataSet,
        settings: Settings | None = None,
        *,
        checkpoints: Path | None = None,
        activations: Mapping[str, QuantParams] | None = None,
        teacher: Graph | None = None,
        distillation: Distillation | None = None,
        reporter: Reporter = SILENT,
    ) -> None:
        self.data, self.settings = data, settings or Settings()
        self._checkpoints, self._activations = checkpoints, dict(activations or {})
        self._teacher = teacher
        self._distillation = (distillation or Distillation()) if teacher is not None else None
        self._reporter = reporter

    def fit(
        self,
        graph: Graph,
        masks: Masks | None = None,
        epochs: int = 1,
        *,
        quantisers: Mapping[str, WeightQuantiser] | None = None,
        penalty: Penalty | None = None,
    ) -> Graph:
        """``graph`` after ``epochs`` passes over the training data; see the protocol.

        Raises:
            ModelError: an operator cannot be trained through.
            InputError: data that do not fit, a loss that is not finite (with its step), a checkpoint that fails.

        """
        masks = masks or Masks.none()
        data = fit_to(graph, self.data)
        with _deterministic(self.settings.threads):
            executor = self._executor(graph, masks.kept, quantisers)
            teacher = None if self._teacher is None else (Executor(self._teacher), logits_of(self._teacher))
            key = self._key(graph, masks, epochs, quantisers, penalty) if self._checkpoints else ""
            fitting = Fitting(
                executor, graph, data, self.settings, penalty=penalty, teacher=teacher,
                distillation=self._distillation, reporter=self._reporter,
            )  # fmt: skip
            path = self._checkpoints / f"fit-{key[:16]}.npz" if self._checkpoints else None
            fitting.run(epochs, key, path)
            return executor.graph()

    def evaluate(self, graph: Graph) -> float:
        """The accuracy on the validation part, 0..1."""
        return self.accuracy(graph, fit_to(graph, self.data).validation)

    def test(self, graph: Graph) -> float:
        """The accuracy on the test part, 0..1: for reports, never for decisions."""
        return self.accuracy(graph, fit_to(graph, self.data).test)

    def accuracy(self, graph: Graph, part: Part) -> float:
        """The accuracy on a part of the data, 0..1, activations rounded where they are in training."""
        with _deterministic(self.settings.threads):
            return accuracy(self._executor(graph), graph.input_ports[0].name, logits_of(graph), part)

    def gradients(self, graph: Graph, samples: int) -> Gradients:
        """Mean and mean square of the loss' gradient, sample by sample; see the protocol."""
        part, name = fit_to(graph, self.data).train.first(samples), logits_of(graph)
        with _deterministic(self.settings.threads):
            executor = self._executor(graph)
            sums = {n: np.zeros(p.shape, np.float64) for n, p in executor.parameters.items()}
            squares = {n: np.zeros(p.shape, np.float64) for n, p in executor.parameters.items()}
            for index in range(len(part)):
                x, y = torch.from_numpy(part.x[index : index + 1]), torch.from_numpy(part.y[index : index + 1])
                scores = executor({graph.input_ports[0].name: x}, wanted=[name])[name].flatten(1)
                loss = distilled(scores, y, None, None)
                grads = torch.autograd.grad(loss, list(executor.parameters.values()), allow_unused=True)
                for key, grad in zip(executor.parameters, grads, strict=True):
                    if grad is not None:
                        sums[key] += grad.numpy()
                        squares[key] += grad.numpy().astype(np.float64) ** 2
        count = max(len(part), 1)
        return Gradients({n: s / count for n, s in sums.items()}, {n: s / count for n, s in squares.items()})

    def activations(self, graph: Graph, samples: int, tensors: Sequence[str]) -> dict[str, NDArray]:
        """The named activations ``[n, ...]`` over the first ``samples`` training samples."""
        part = fit_to(graph, self.data).train.first(samples)
        with _deterministic(self.settings.threads), torch.no_grad():
            x = torch.from_numpy(part.x)
            values = self._executor(graph)({graph.input_ports[0].name: x}, wanted=tensors)
            return {name: values[name].numpy() for name in tensors}

    def labels(self, samples: int) -> NDArray[np.int64]:
        """The classes ``[n]`` of the same samples."""
        return self.data.train.y[:samples]

    def _executor(
        self,
        graph: Graph,
        masks: Mapping[str, NDArray[np.bool_]] | None = None,
        quantisers: Mapping[str, WeightQuantiser] | None = None,
    ) -> Executor:
        return Executor(graph, masks=masks, quantisers=quantisers, activations=self._activations)

    def _key(
        self,
        graph: Graph,
        masks: Masks,
        epochs: int,
        quantisers: Mapping[str, WeightQuantiser] | None,
        penalty: Penalty | None,
    ) -> str:
        digest = Digest(self.settings, epochs, self._distillation, sorted(self._activations.items()), torch.__version__)
        digest.graph(graph).arrays(masks.kept)
        if self._teacher is not None:
            digest.graph(self._teacher)
        for name, quantiser in sorted((quantisers or {}).items()):
            # What it does to these weights says more of it than its representation would.
            value = graph.constant(name)
            digest.words(name, quantiser.format)
            if value is not None:
                digest.array(quantiser.quantise(value))
        if penalty is not None:
            digest.words(penalty.strength, sorted(name for name, groups in penalty.groups.items() if groups is None))
            digest.arrays({name: groups for name, groups in penalty.groups.items() if groups is not None})
        for part in (self.data.train, self.data.validation):
            digest.array(part.x).array(part.y)
        return digest.hex()


@contextlib.contextmanager
def _deterministic(threads: int) -> Iterator[None]:
    """PyTorch as we need it, and afterwards as it was."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(mode=before[1])
        torch.random.set_rng_state(before[2])
