"""Which channels of a network must come and go together.

Every channel of every activation gets a number. What passes channels on (activations, pools, batch norms, depthwise
convolutions) passes on their numbers, an addition makes two of them one, a concatenation puts them side by side, a
flatten repeats each. What is left is a partition of all channels: a part can be taken out of the network as a whole,
unless the network's inputs or outputs, or an operator that mixes channels, hold it. This is the dependency graph of
Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from compiler.compress.layers import LAYERS
from compiler.ir import Graph, Node
from compiler.passes.fold_batch_norm import filter_axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ChannelMap", "Slot", "channel_map"]

Role = Literal["filter", "parameter", "input"]

UNARY = frozenset(
    [
        "Relu",
        "Clip",
        "LeakyRelu",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Tanh",
        "Elu",
        "Selu",
        "Softplus",
        "Identity",
        "Dropout",
        "Abs",
        "Neg",
        "Sqrt",
        "Erf",
    ]
)
SPATIAL = frozenset(
    {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN", "Upsample", "Pad", "Resize"}
)
BINARY = frozenset({"Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu"})


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """``channels[i]`` is the channel that slice ``i`` along ``axis`` of a constant belongs to.

    Its role: a layer's ``filter`` makes the channel, its ``input`` reads it, a ``parameter`` (bias, batch norm) acts
    on it.
    """

    node: str
    constant: str
    axis: int
    channels: NDArray[np.int64]
    role: Role


@dataclass(frozen=True, slots=True, eq=False)
class ChannelMap:
    """The partition. Channels are numbers; those of one part are all called by the least of them."""

    slots: tuple[Slot, ...]
    tensors: dict[str, tuple[int, NDArray[np.int64]]]
    """The axis of an activation's channels, and the channel of each place along it."""
    locked: frozenset[int]
    """Channels that cannot be taken out."""


def channel_map(graph: Graph) -> ChannelMap:
    """The channels of a float graph, at the ONNX level."""
    return _Tracer(graph).trace()


class _Tracer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.leader: list[int] = []
        self.held: set[int] = set()
        self.slots: list[Slot] = []
        self.tensors: dict[str, tuple[int, NDArray[np.int64]]] = {}

    def trace(self) -> ChannelMap:
        for port in self.graph.input_ports:
            self._opaque(port.tensor)
        for node in self.graph.select(Node):
            if not self._rule(node)(node):
                self._hold_around(node)
        for name in self.graph.outputs:
            self._hold(name)
        readers = Counter(slot.constant for slot in self.slots if slot.role != "filter")
        makers = Counter(slot.constant for slot in self.slots if slot.role == "filter")
        for slot in self.slots:
            if readers[slot.constant] > 1 or makers[slot.constant] > 1:
                self.held.update(slot.channels.tolist())
        slots = tuple(Slot(s.node, s.constant, s.axis, self._roots(s.channels), s.role) for s in self.slots)
        tensors = {name: (axis, self._roots(channels)) for name, (axis, channels) in self.tensors.items()}
        return ChannelMap(slots, tensors, frozenset(self._root(c) for c in self.held))

    def _rule(self, node: Node) -> Callable[[Node], bool]:
        """How a node treats channels; a rule returns False where it does not apply, before it has done anything."""
        if node.op_type in LAYERS:
            return self._layer
        if node.op_type == "BatchNormalization":
            return self._batch_norm
        if node.op_type in UNARY:
            return self._same
        if node.op_type in SPATIAL:
            return self._spatial
        if node.op_type in BINARY:
            return self._binary
        rules = {
            "Concat": self._concat,
            "Flatten": self._flatten,
            "Reshape": self._flatten,
            "Squeeze": self._flatten,
            "ReduceMean": self._reduce,
            "Transpose": self._transpose,
        }
        return rules.get(node.op_type, lambda _: False)

    # numbers

    def _new(self, count: int) -> NDArray[np.int64]:
        start = len(self.leader)
        self.leader.extend(range(start, start + count))
        return np.arange(start, start + count)

    def _root(self, channel: int) -> int:
        while self.leader[channel] != channel:
            self.leader[channel] = self.leader[self.leader[channel]]
            channel = self.leader[channel]
        return channel

    def _roots(self, channels: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self._root(int(c)) for c in channels], np.int64)

    def _join(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            low, high = sorted((self._root(a), self._root(b)))
            self.leader[high] = low

    # tensors

    def _axis(self, name: str) -> int:
        return min(1, max(len(self.graph.tensor(name).shape) - 1, 0))

    def _opaque(self, name: str) -> None:
        """Channels of ``name`` that nothing may touch."""
        shape, axis = self.graph.tensor(name).shape, self._axis(name)
        self.tensors[name] = (axis, self._new(shape[axis] if shape else 1))
        self._hold(name)

    def _hold(self, name: str) -> None:
        if name in self.tensors:
            self.held.update(self.tensors[name][1].tolist())

    def _hold_around(self, node: Node) -> None:
        for name in node.inputs:
            self._hold(name)
        for name in filter(None, node.outputs):
            self._opaque(name)

    def _slot(self, node: Node, constant: str, axis: int, channels: NDArray[np.int64], role: Role) -> None:
        self.slots.append(Slot(node.name, constant, axis, channels, role))

    # rules

    def _layer(self, node: Node) -> bool:
        weights, x = self.graph.constant(node.input(1)), self.tensors.get(node.input(0))
        if weights is None or x is None or (node.input(2) and self.graph.constant(node.input(2)) is None):
            return False
        axis = 1 if node.op_type == "Conv" else len(self.graph.tensor(node.output).shape) - 1
        out = filter_axis(node)
        groups = node.integer("group", 1)
        if x[0] != axis or (groups > 1 and weights.shape[1] != 1):
            return False
        if groups > 1:
            made = np.repeat(x[1], weights.shape[0] // groups)
        else:
            made = self._new(weights.shape[out])
            self._slot(node, node.input(1), 1 - out, x[1], "input")
        self._slot(node, node.input(1), out, made, "filter")
        if node.input(2):
            self._slot(node, node.input(2), 0, made, "parameter")
        self.tensors[node.output] = (axis, made)
        return True

    def _batch_norm(self, node: Node) -> bool:
        axis, channels = self.tensors[node.input(0)]
        if axis != 1 or any(self.graph.constant(name) is None for name in node.inputs[1:5]):
            return False
        for name in node.inputs[1:5]:
            self._slot(node, name, 0, channels, "parameter")
        self.tensors[node.output] = (axis, channels)
        return True

    def _same(self, node: Node) -> bool:
        if node.input(0) not in self.tensors:
            return False
        self.tensors[node.output] = self.tensors[node.input(0)]
        return True

    def _spatial(self, node: Node) -> bool:
        x = self.tensors.get(node.input(0))
        kept = x is not None and x[0] == 1 and self.graph.tensor(node.output).shape[1:2] == (x[1].size,)
        return kept and node.op_type != "LRN" and self._same(node)

    def _binary(self, node: Node) -> bool:
        shape = self.graph.tensor(node.output).shape
        active = [name for name in node.inputs if name in self.tensors]
        if not active or any(self.graph.tensor(n).shape[: len(shape)] == () for n in active):
            return False
        lead = next((n for n in active if self.graph.tensor(n).shape == shape), None)
        if lead is None:
            return False
        axis, channels = self.tensors[lead]
        from_right = axis - len(shape)
        for name in node.inputs:
            other = self.graph.tensor(name).shape
            along = other[from_right] if -from_right <= len(other) else 1
            if name in self.tensors and along > 1 and self.tensors[name][0] - len(other) != from_right:
                return False
        for name in node.inputs:
            other = self.graph.tensor(name).shape
            along = other[from_right] if -from_right <= len(other) else 1
            if along == 1 and channels.size > 1:
                continue
            if name in self.tensors:
                self._join(channels, self.tensors[name][1])
            elif -from_right <= len(other):
                self._slot(node, name, len(other) + from_right, channels, "parameter")
        self.tensors[node.output] = (axis, channels)
        return True

    def _concat(self, node: Node) -> bool:
        parts = [self.tensors.get(name) for name in node.inputs]
        rank = len(self.graph.tensor(node.output).shape)
        known = [part for part in parts if part is not None]
        if len(known) < len(parts) or len({axis for axis, _ in known}) != 1:
            return False
        axis = known[0][0]
        if node.integer("axis", 1) % rank == axis:
            self.tensors[node.output] = (axis, np.concatenate([channels for _, channels in known]))
            return True
        for _, channels in known[1:]:
            self._join(known[0][1], channels)
        self.tensors[node.output] = known[0]
        return True

    def _flatten(self, node: Node) -> bool:
        """To ``[1, channels * rest]``, or any shape that only drops ones behind the channels."""
        x = self.tensors.get(node.input(0))
        before, after = self.graph.tensor(node.input(0)).shape, self.graph.tensor(node.output).shape
        if x is None or x[0] != 1 or len(after) < 2 or before[0] != 1 or after[0] != 1:
            return False
        if after[1] != before[1] and len(after) != 2:
            return False
        self.tensors[node.output] = (1, np.repeat(x[1], after[1] // before[1]))
        return True

    def _reduce(self, node: Node) -> bool:
        x = self.tensors.get(node.input(0))
        before, after = self.graph.tensor(node.input(0)).shape, self.graph.tensor(node.output).shape
        axes = node.integers("axes") if "axes" in node.attributes else self.graph.constant(node.input(1))
        if x is None or x[0] != 1 or axes is None or after[:2] != before[:2]:
            return False
        if any(int(a) % len(before) < 2 for a in axes):
            return False
        self.tensors[node.output] = x
        return True

    def _transpose(self, node: Node) -> bool:
        axis, channels = self.tensors[node.input(0)]
        rank = len(self.graph.tensor(node.input(0)).shape)
        order = node.integers("perm", tuple(reversed(range(rank))))
        self.tensors[node.output] = (order.index(axis), channels)
        return True
