"""A trainer that does not train: what a schedule makes of a network's weights as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.masks import Masks
from compiler.errors import ModelError
from compiler.evaluate import evaluate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.quantisers.base import WeightQuantiser
    from compiler.compress.trainer import Gradients, Penalty
    from compiler.ir import Graph

__all__ = ["Untrained"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Untrained:
    """A :class:`compiler.compress.trainer.Trainer` in numpy, for a classifier of one input.

    ``inputs [n, ...]`` and ``classes [n]`` are what scores look at, ``test_inputs`` and ``test_classes`` what the
    accuracy is measured on.
    """

    inputs: NDArray[np.floating]
    classes: NDArray[np.integer]
    test_inputs: NDArray[np.floating]
    test_classes: NDArray[np.integer]

    def fit(
        self,
        graph: Graph,
        masks: Masks,
        epochs: int,
        *,
        quantisers: Mapping[str, WeightQuantiser] | None = None,
        penalty: Penalty | None = None,
    ) -> Graph:
        """The masked graph.

        Raises:
            ModelError: ``epochs`` are wanted, so training is.

        """
        del quantisers, penalty
        if epochs > 0:
            raise ModelError(f"{epochs} epochs of training need PyTorch: install hwsim[train], or set epochs to 0")
        return masks.apply(graph)

    def evaluate(self, graph: Graph) -> float:
        """The share of test inputs whose largest output is that of their class."""
        (output,) = graph.outputs
        results = self._run(graph, self.test_inputs, [output])[output]
        return float((results.reshape(len(results), -1).argmax(axis=1) == self.test_classes).mean())

    def gradients(self, graph: Graph, samples: int) -> Gradients:
        """None without a training framework.

        Raises:
            ModelError: always.

        """
        raise ModelError(f"gradients of {graph.name!r} over {samples} samples need PyTorch: install hwsim[train]")

    def activations(self, graph: Graph, samples: int, tensors: Sequence[str]) -> dict[str, NDArray]:
        """By the float interpreter, one sample after the other."""
        return self._run(graph, self.inputs[:samples], tensors)

    def labels(self, samples: int) -> NDArray[np.int64]:
        """The classes of the same samples."""
        return self.classes[:samples].astype(np.int64)

    def _run(self, graph: Graph, inputs: NDArray[np.floating], tensors: Sequence[str]) -> dict[str, NDArray]:
        (port,) = graph.input_ports
        found: dict[str, list[NDArray]] = {name: [] for name in tensors}
        for sample in inputs:
            values = evaluate(graph, {port.name: sample.astype(port.dtype).reshape(port.shape)})
            for name in tensors:
                found[name].append(values[name])
        return {name: np.concatenate(values) for name, values in found.items()}
