"""Taking pruned channels and layers out of a graph, tensors and neighbours included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.compress.channels import ChannelMap, Slot, channel_map
from compiler.compress.masks import Masks
from compiler.ir import Graph, Node
from compiler.passes.dead_code import RemoveDeadCode

__all__ = ["shrink"]

ZERO_KEEPING = frozenset(
    {
        "Relu",
        "LeakyRelu",
        "Tanh",
        "HardSwish",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Flatten",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Identity",
        "Dropout",
    }
)


def shrink(graph: Graph, masks: Masks) -> tuple[Graph, Masks]:
    """``masks.apply(graph)`` without what the masks leave no trace of, and the masks of what remains.

    Taken out are channels of which every weight that makes or reads them and every parameter of theirs is masked, and
    layers whose result is zero throughout and is added to something. The result computes what the masked graph does.
    """
    small = masks.apply(graph)
    _drop_zero_layers(small)
    RemoveDeadCode()(small)
    masks = Masks({name: mask for name, mask in masks.kept.items() if small.constant(name) is not None})
    channels = channel_map(small)
    kept = _drop_channels(small, channels, _dead(channels, masks))
    small.verify()
    return small, Masks({name: _cut(mask, kept.get(name, [])) for name, mask in masks.kept.items()})


def _dead(channels: ChannelMap, masks: Masks) -> frozenset[int]:
    """The channels that are masked wherever a mask can reach them, and that may go."""
    alive: set[int] = set(channels.locked)
    candidates: set[int] = set()
    for slot in channels.slots:
        candidates.update(slot.channels.tolist())
        if slot.constant in masks:
            mask = np.moveaxis(masks[slot.constant], slot.axis, 0).reshape(slot.channels.size, -1).any(axis=1)
            alive.update(slot.channels[mask].tolist())
        elif slot.role != "parameter":
            alive.update(slot.channels.tolist())
    dead = candidates - alive
    # a layer without any filter is no layer: if all of its channels go, the first stays
    for slot in channels.slots:
        if slot.role == "filter" and dead.issuperset(slot.channels.tolist()):
            dead.discard(int(slot.channels[0]))
    return frozenset(dead)


Cuts = dict[str, list[tuple[int, NDArray[np.bool_]]]]


def _drop_channels(graph: Graph, channels: ChannelMap, dead: frozenset[int]) -> Cuts:
    """Cut the channels out of constants, shapes and attributes; returns what was cut of which constant."""
    if not dead:
        return {}
    cuts: Cuts = {}
    for slot in channels.slots:
        keep = ~np.isin(slot.channels, list(dead))
        if not keep.all() and not any(axis == slot.axis for axis, _ in cuts.get(slot.constant, [])):
            cuts.setdefault(slot.constant, []).append((slot.axis, keep))
    for name, steps in cuts.items():
        value = graph.constant(name)
        assert value is not None, "slots are of constants"
        graph.set_constant(name, _cut(value, steps))
    for name, (axis, numbers) in channels.tensors.items():
        tensor = graph.tensor(name)
        size = int((~np.isin(numbers, list(dead))).sum())
        if size != tensor.shape[axis]:
            graph.add_tensor(replace(tensor, shape=(*tensor.shape[:axis], size, *tensor.shape[axis + 1 :])))
    _regroup(graph, channels.slots)
    _reshape(graph)
    return cuts


def _cut(array: NDArray, steps: Iterable[tuple[int, NDArray[np.bool_]]]) -> NDArray:
    for axis, keep in steps:
        array = np.compress(keep, array, axis=axis)
    return array


def _regroup(graph: Graph, slots: Iterable[Slot]) -> None:
    """A depthwise convolution has as many groups as channels."""
    for name in {slot.node for slot in slots}:
        node = graph.operator(name)
        if isinstance(node, Node) and node.op_type == "Conv" and node.integer("group", 1) > 1:
            groups = graph.tensor(node.input(0)).shape[1]
            graph.replace(name, replace(node, attributes={**node.attributes, "group": groups}))


def _reshape(graph: Graph) -> None:
    """The shapes that a ``Reshape`` names follow those of its result."""
    for node in graph.walk(Node, "Reshape"):
        shape = np.asarray(graph.tensor(node.output).shape, np.int64)
        old = graph.constant(node.input(1))
        if old is not None and old.size == shape.size and not np.isin(old, (-1, 0)).any() and (old != shape).any():
            name = graph.add_constant(f"{node.name}/shape", shape)
            graph.replace(node.name, replace(node, inputs=(node.input(0), name)))


def _drop_zero_layers(graph: Graph) -> None:
    """Whatever is added to a zero stays without the addition; who made the zero is dead."""
    zero: set[str] = set()
    for node in graph.walk(Node):
        if _is_zero(graph, node, zero):
            zero.add(node.output)
        elif node.op_type == "Add" and any(name in zero for name in node.inputs):
            other = next(name for name in node.inputs if name not in zero)
            if graph.constant(other) is None and graph.tensor(other).shape == graph.tensor(node.output).shape:
                _bypass(graph, node, other)


def _is_zero(graph: Graph, node: Node, zero: set[str]) -> bool:
    if node.op_type in ("Conv", "FullyConnected"):
        weights = graph.constant(node.input(1))
        silent = node.input(0) in zero or (weights is not None and not weights.any())
        return silent and (not node.input(2) or _all_zero(graph, node.input(2)))
    if node.op_type == "BatchNormalization":
        return _all_zero(graph, node.input(2)) and _all_zero(graph, node.input(1))
    if node.op_type in ("Add", "Concat"):
        return all(name in zero for name in node.inputs)
    return node.op_type in ZERO_KEEPING and node.input(0) in zero


def _all_zero(graph: Graph, name: str) -> bool:
    value = graph.constant(name)
    return value is not None and not value.any()


def _bypass(graph: Graph, node: Node, source: str) -> None:
    if node.output in graph.outputs:
        return
    graph.redirect(node.output, source)
    graph.remove(node.name)
