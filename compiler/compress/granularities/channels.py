"""Whole channels, with all that makes, passes on and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.channels import ChannelMap, Role, Slot, channel_map
from compiler.compress.granularities.base import GRANULARITIES
from compiler.compress.scores.base import Scores, Unit
from compiler.compress.units import Members, Units
from compiler.ir import Graph, Node

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.layers import Layer

__all__ = ["Channel", "Filter"]


@GRANULARITIES.register(
    "filter", paper="Li, Kadav, Durdanovic, Samet, Graf: Pruning Filters for Efficient ConvNets, ICLR 2017"
)
@dataclass(frozen=True, slots=True)
class Filter:
    """A channel, judged by the filters that make it.

    With a filter go its bias, its batch norm and what reads it. Filters whose outputs are added together go together;
    those that make the network's output stay.
    """

    needs: ClassVar[Unit] = "filter"
    shrinks: ClassVar[bool] = True

    def fixed_sparsity(self) -> float | None:
        """Any."""
        return None

    def units(self, graph: Graph, layers: list[Layer], scores: Scores) -> Units:
        """One unit for each channel that can go, in a pool named after the first layer that makes it."""
        return _channel_units(graph, layers, scores, "filter")


@GRANULARITIES.register(
    "channel", paper="He, Zhang, Sun: Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017"
)
@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, judged by the weights that read it; by its filters where a score judges only those.

    The same units as of ``filter``.
    """

    needs: ClassVar[Unit] = "filter"
    shrinks: ClassVar[bool] = True

    def fixed_sparsity(self) -> float | None:
        """Any."""
        return None

    def units(self, graph: Graph, layers: list[Layer], scores: Scores) -> Units:
        """One unit for each channel that can go, in a pool named after the first layer that makes it."""
        by_weight = any(score.ndim == 4 for score in scores.values())
        return _channel_units(graph, layers, scores, "input" if by_weight else "filter")


def _channel_units(graph: Graph, layers: list[Layer], scores: Scores, judge: Role) -> Units:
    channels = channel_map(graph)
    by_weights = {layer.weights: layer for layer in layers}
    total, judged = _judge(channels, by_weights, scores, judge)
    number = _numbers(channels, judged)
    count = int(number.max(initial=-1)) + 1
    score, size, pool = np.zeros(count), np.zeros(count, np.int64), np.full(count, -1, np.int64)
    score[number[number >= 0]] = total[number >= 0]
    names: list[str] = []
    members = []
    for slot in channels.slots:
        unit = number[slot.channels]
        value = graph.constant(slot.constant)
        assert value is not None, "slots are of constants"
        if slot.role == "filter" and (pool[unit[unit >= 0]] < 0).any():
            fresh = unit[unit >= 0]
            pool[fresh[pool[fresh] < 0]] = len(names)
            names.append(slot.node)
        if slot.role != "parameter":
            np.add.at(size, unit[unit >= 0], value.size // unit.size)
        if (unit >= 0).any() and _is_masked(graph, slot):
            shape = [1] * value.ndim
            shape[slot.axis] = -1
            members.append(Members(slot.constant, np.broadcast_to(unit.reshape(shape), value.shape)))
    return Units(score, size, pool, tuple(names), tuple(members), keep_one=True)


def _judge(
    channels: ChannelMap, layers: dict[str, Layer], scores: Scores, judge: Role
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of each channel by its number: the sum over the slots that judge it of the mean score there; whether any does."""
    highest = max((int(slot.channels.max(initial=-1)) for slot in channels.slots), default=-1)
    total, judged = np.zeros(highest + 1), np.zeros(highest + 1, bool)
    for slot in channels.slots:
        score, layer = scores.get(slot.constant), layers.get(slot.constant)
        if slot.role != judge or score is None or layer is None:
            continue
        if score.ndim == 4:
            score = np.moveaxis(layer.restore(score), slot.axis, 0).reshape(slot.channels.size, -1).mean(axis=1)
        sums = np.bincount(slot.channels, score.astype(np.float64), minlength=highest + 1)
        counts = np.bincount(slot.channels, minlength=highest + 1)
        total += sums / np.maximum(counts, 1)
        judged |= counts > 0
    return total, judged


def _numbers(channels: ChannelMap, judged: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The unit of each channel; -1 if it stays. It goes only if it is judged, made by a filter and read by a layer."""
    roles = {role: np.zeros(len(judged), bool) for role in ("filter", "input")}
    for slot in channels.slots:
        if slot.role in roles:
            roles[slot.role][slot.channels] = True
    free = judged & roles["filter"] & roles["input"]
    free[[c for c in channels.locked if c < len(free)]] = False
    return np.where(free, np.cumsum(free) - 1, -1)


def _is_masked(graph: Graph, slot: Slot) -> bool:
    """Whether a pruned channel's slice becomes zero: not in a batch norm's mean or variance, or in a divisor."""
    node = graph.operator(slot.node)
    if slot.role != "parameter" or not isinstance(node, Node):
        return True
    if node.op_type == "BatchNormalization":
        return slot.constant in node.inputs[1:3]
    return node.op_type in ("Conv", "FullyConnected")
