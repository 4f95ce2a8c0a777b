"""What training makes small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from compiler.ir import Graph, Node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.compress.trainer import Penalty
    from hwsim.training.settings import Distillation

__all__ = ["distilled", "logits_of", "penalty_of"]

_SMALLEST_SQUARE = 1e-24
"""Below it a group counts as zero: the norm has no gradient there."""


def logits_of(graph: Graph) -> str:
    """The tensor of class scores: the output, or what goes into the softmax that makes it."""
    name = graph.outputs[0]
    producer = graph.producer(name)
    if isinstance(producer, Node) and producer.op_type in ("Softmax", "LogSoftmax"):
        return producer.input(0)
    return name


def distilled(logits: Tensor, labels: Tensor, taught: Tensor | None, distillation: Distillation | None) -> Tensor:
    """The loss of a batch: cross entropy with the ``labels`` ``[n]``, and with what the teacher ``taught``."""
    loss = F.cross_entropy(logits, labels)
    if taught is None or distillation is None:
        return loss
    t = distillation.temperature
    soft = F.kl_div(F.log_softmax(logits / t, 1), F.log_softmax(taught / t, 1), reduction="batchmean", log_target=True)
    return (1 - distillation.share) * loss + distillation.share * t**2 * soft


def penalty_of(penalty: Penalty, parameters: Mapping[str, Tensor]) -> Tensor:
    """L1 (Liu et al., "Network Slimming", ICCV 2017) or group lasso (Wen et al., NeurIPS 2016) of ``penalty``."""
    total = torch.zeros(())
    for name, groups in penalty.groups.items():
        value = parameters[name]
        if groups is None:
            total = total + value.abs().sum()
            continue
        index = torch.from_numpy(groups.reshape(-1).astype("int64"))
        count = int(index.max()) + 1
        sizes = torch.bincount(index, minlength=count).to(value.dtype)
        squares = torch.zeros(count, dtype=value.dtype).index_add(0, index, value.reshape(-1) ** 2)
        total = total + (torch.sqrt(sizes) * torch.sqrt(torch.clamp(squares, min=_SMALLEST_SQUARE))).sum()
    return penalty.strength * total
