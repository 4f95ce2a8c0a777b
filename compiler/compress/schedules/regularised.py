"""A penalty drives weights to zero before they are pruned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.compress.layers import following, weight_layers
from compiler.compress.masks import Masks
from compiler.compress.schedules.base import SCHEDULES, Job, Stage
from compiler.compress.trainer import Penalty
from compiler.errors import ModelError

__all__ = ["GroupLasso", "NetworkSlimming"]


@SCHEDULES.register(
    "slimming",
    paper="Liu, Li, Shen, Huang, Yan, Zhang: Learning Efficient Convolutional Networks through Network "
    "Slimming, ICCV 2017",
)
@dataclass(frozen=True, slots=True)
class NetworkSlimming:
    """Train with an L1 penalty on the batch norms' scales, prune to the target, train what is left without it.

    ``before`` is the share of the training that is done with the penalty.
    """

    strength: float = 1e-4
    before: float = 0.5

    def stages(self, job: Job) -> Iterator[Stage]:
        """A penalised training, a prune, a training.

        Raises:
            ModelError: the network has no batch norm behind a layer.

        """
        scales = [
            node.input(1)
            for layer in weight_layers(job.graph)
            for node in following(job.graph, layer)
            if node.op_type == "BatchNormalization"
        ]
        if not scales:
            raise ModelError(f"schedule 'slimming': {job.graph.name!r} has no batch norm behind a layer")
        yield from _penalised(job, Penalty(self.strength, dict.fromkeys(scales)), self.before)


@SCHEDULES.register(
    "group-lasso",
    paper="Wen, Wu, Wang, Chen, Li: Learning Structured Sparsity in Deep Neural Networks, NIPS 2016; "
    "Yuan, Lin: Model Selection and Estimation in Regression with Grouped Variables, 2006",
)
@dataclass(frozen=True, slots=True)
class GroupLasso:
    """Train with a penalty on the norm of each group of the granularity, prune to the target, train what is left.

    ``before`` is the share of the training that is done with the penalty.
    """

    strength: float = 1e-4
    before: float = 0.5

    def stages(self, job: Job) -> Iterator[Stage]:
        """A penalised training, a prune, a training."""
        yield from _penalised(job, Penalty(self.strength, job.groups(job.graph)), self.before)


def _penalised(job: Job, penalty: Penalty, before: float) -> Iterator[Stage]:
    first = round(job.epochs * before)
    graph = job.graph
    if first:
        graph = job.trainer.fit(graph, Masks.none(), first, quantisers=job.quantisers, penalty=penalty)
        yield Stage("trained with the penalty", graph, Masks.none())
    masks = job.choose(graph, 1.0)
    graph = masks.apply(graph)
    yield Stage("pruned", graph, masks)
    if job.epochs > first:
        yield Stage("trained", job.fit(graph, masks, job.epochs - first), masks)
