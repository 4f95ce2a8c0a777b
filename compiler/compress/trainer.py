"""What pruning schedules ask of whoever trains: a protocol, so that the compiler needs no training framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compiler.compress.masks import Masks
    from compiler.compress.quantisers.base import WeightQuantiser
    from compiler.ir import Graph

__all__ = ["Gradients", "Penalty", "Trainer"]


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """Of the loss, with respect to every float constant that is trained, by its name and in its shape."""

    mean: Mapping[str, NDArray[np.floating]]
    """``E[g]`` over the samples."""
    square: Mapping[str, NDArray[np.floating]]
    """``E[g^2]``, of the gradient of each sample on its own: the diagonal of the empirical Fisher matrix."""


@dataclass(frozen=True, slots=True, eq=False)
class Penalty:
    """Added to the loss: ``strength * sum over tensors and groups of sqrt(size of group) * ||w of group||_2``.

    ``groups[name]`` is an integer array of the constant's shape that numbers the group of each element from 0; None
    puts each element in a group of its own, which is the L1 norm. Group lasso: Yuan and Lin, 2006.
    """

    strength: float
    groups: Mapping[str, NDArray[np.integer] | None]


class Trainer(Protocol):
    """Trains and measures a float graph on a data set of its own. It changes no graph that it is given.

    Trained are the float constants of layers (weights, biases, batch norm's scale and shift) under their own names;
    the running mean and variance of batch norms follow the data.
    """

    def fit(
        self,
        graph: Graph,
        masks: Masks,
        epochs: int,
        *,
        quantisers: Mapping[str, WeightQuantiser] | None = None,
        penalty: Penalty | None = None,
    ) -> Graph:
        """``graph`` after ``epochs`` passes over the training data.

        Masked elements are zero before, during and after. A constant in ``quantisers`` is seen by the forward pass as
        ``quantiser.quantise(w)``, and its gradient goes to ``w`` unchanged (straight-through, Bengio 2013); the graph
        that is returned holds ``w`` itself, to be quantised by the caller.
        """
        ...

    def evaluate(self, graph: Graph) -> float:
        """The accuracy on data that is held out of training, 0..1."""
        ...

    def gradients(self, graph: Graph, samples: int) -> Gradients:
        """Over the first ``samples`` training samples, or all if there are fewer; batch norms as at inference."""
        ...

    def activations(self, graph: Graph, samples: int, tensors: Sequence[str]) -> dict[str, NDArray]:
        """The named activations over the same samples: ``[n, ...]``, the graph's batch of 1 being replaced by n."""
        ...

    def labels(self, samples: int) -> NDArray[np.int64]:
        """The classes ``[n]`` of the same samples."""
        ...
