"""What can be pruned as a whole: the channels that some layers make and others read, or one layer's elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.channels import ChannelMap, Slot, channel_map
from compiler.compress.layers import Layer, weight_layers
from compiler.compress.masks import Masks
from compiler.ir import Graph, Node
from hwsim.training.parameters import trained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from hwsim.codesign.cost import Unit

__all__ = ["ChannelTarget", "ElementTarget", "Reader", "Target", "targets", "without_dead"]


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A layer that reads channels, and which of them each of its inputs ``[d]`` is (-1: another target's)."""

    layer: Layer
    channels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ChannelTarget:
    """Channels that come and go together in every tensor that has them, numbered from 0.

    A channel that is pruned takes with it the filters that make it, the parameters that act on it and the weights that
    read it. What the network loses by it is what its readers' outputs lose.
    """

    name: str
    layers: frozenset[str]
    """Every operator that makes, passes on or reads them: those that get cheaper."""
    readers: tuple[Reader, ...]
    slices: tuple[tuple[str, int, NDArray[np.int64]], ...]
    """Constant, axis, and the channel (-1: none of these) of each place along it."""
    count: int

    def present(self, masks: Masks) -> NDArray[np.bool_]:
        """``[count]``: the channels that are still there."""
        gone = np.zeros(self.count, bool)
        for constant, axis, channels in self.slices:
            if constant in masks:
                alive = np.moveaxis(masks[constant], axis, 0).reshape(channels.size, -1).any(axis=1)
                gone[channels[~alive & (channels >= 0)]] = True
        return ~gone

    def prune(self, graph: Graph, masks: Masks, kept: NDArray[np.bool_]) -> Masks:
        """``masks`` without the channels that are not ``kept``."""
        found: dict[str, NDArray[np.bool_]] = {}
        for constant, axis, channels in self.slices:
            value = graph.constant(constant)
            assert value is not None, "targets are made of constants"
            alive = (channels < 0) | kept[channels]
            shape = [1] * value.ndim
            shape[axis] = -1
            mask = np.broadcast_to(alive.reshape(shape), value.shape)
            found[constant] = found.get(constant, np.ones(value.shape, bool)) & mask
        return masks & Masks(found)

    def magnitudes(self, graph: Graph) -> NDArray[np.float64]:
        """``[count]``: the L2 norm of all weights that go with a channel, those of each tensor relative to its mean.

        Tensors of unlike scale (a filter's, its readers') then weigh the same.
        """
        total = np.zeros(self.count)
        for constant, axis, channels in self.slices:
            value = graph.constant(constant)
            if value is None or value.ndim < 2:
                continue
            squares = (np.moveaxis(value, axis, 0).reshape(channels.size, -1).astype(np.float64) ** 2).sum(axis=1)
            sums = np.bincount(channels[channels >= 0], squares[channels >= 0], minlength=self.count)
            total += sums / (sums.mean() or 1.0)
        return np.sqrt(total)


@dataclass(frozen=True, slots=True, eq=False)
class ElementTarget:
    """Single weights of one layer."""

    name: str
    layer: Layer

    @property
    def layers(self) -> frozenset[str]:
        """The layer itself."""
        return frozenset({self.layer.name})

    @property
    def readers(self) -> tuple[Reader, ...]:
        """The layer itself: its own output is what it loses."""
        return (Reader(self.layer, np.zeros(0, np.int64)),)

    def present(self, graph: Graph, masks: Masks) -> NDArray[np.bool_]:
        """The mask of the layer's weights, in their own shape."""
        if self.layer.weights in masks:
            return masks[self.layer.weights]
        return np.ones(graph.tensor(self.layer.weights).shape, bool)


Target = ChannelTarget | ElementTarget


def targets(graph: Graph, unit: Unit) -> tuple[Target, ...]:
    """All targets of a float graph, in the order of the network. Grouped convolutions' elements are left alone."""
    layers = weight_layers(graph)
    if unit == "element":
        return tuple(ElementTarget(f"{layer.name} (weights)", layer) for layer in layers if layer.groups == 1)
    return _channel_targets(graph, layers)


def without_dead(masks: Masks, channels: Iterable[ChannelTarget], graph: Graph) -> Masks:
    """``masks`` without the channels that nothing is left of in some tensor: unmade or unread, they are of no use.

    Han et al., NeurIPS 2015, section 3.5. One channel of each target stays.
    """
    for target in channels:
        present = target.present(masks)
        if present.any() and not present.all():
            masks = target.prune(graph, masks, present)
    return masks


def _channel_targets(graph: Graph, layers: list[Layer]) -> tuple[ChannelTarget, ...]:
    channels = channel_map(graph)
    by_node = {layer.name: layer for layer in layers}
    found: dict[frozenset[int], ChannelTarget] = {}
    for slot in channels.slots:
        if slot.role == "filter" and slot.node in by_node and by_node[slot.node].groups == 1:
            numbers = frozenset(slot.channels.tolist()) - channels.locked
            if numbers and not any(numbers & other for other in found):
                target = _channel_target(graph, channels, by_node, slot.node, sorted(numbers))
                if target is not None:
                    found[numbers] = target
    return tuple(found.values())


def _channel_target(
    graph: Graph, channels: ChannelMap, layers: dict[str, Layer], name: str, numbers: list[int]
) -> ChannelTarget | None:
    place = {number: index for index, number in enumerate(numbers)}
    parameters = set(trained(graph))
    readers, slices, touched = [], [], set(_touching(graph, channels, set(numbers)))
    for slot in channels.slots:
        local = np.array([place.get(int(c), -1) for c in slot.channels], np.int64)
        if (local < 0).all():
            continue
        touched.add(slot.node)
        if slot.constant in parameters:
            slices.append((slot.constant, slot.axis, local))
        if slot.role == "input":
            layer = layers.get(slot.node)
            if layer is None:
                return None
            readers.append(Reader(layer, _inputs(graph, layer, slot, local)))
    if not readers:
        return None
    return ChannelTarget(name, frozenset(touched), tuple(readers), tuple(slices), len(numbers))


def _inputs(graph: Graph, layer: Layer, slot: Slot, local: NDArray[np.int64]) -> NDArray[np.int64]:
    """The channel of each row of a reader's weight matrix: each channel has as many as the kernel has places."""
    kernels = layer.value(graph)
    assert kernels.shape[1] == slot.channels.size, "an ungrouped layer reads each channel once"
    return np.repeat(local, kernels.shape[2] * kernels.shape[3])


def _touching(graph: Graph, channels: ChannelMap, numbers: set[int]) -> list[str]:
    """The operators around the tensors that hold any of the channels."""
    tensors = {name for name, (_, held) in channels.tensors.items() if numbers & set(held.tolist())}
    return [n.name for n in graph.select(Node) if tensors & {*n.inputs, *n.outputs}]
