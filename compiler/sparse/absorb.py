"""Load balance as a pass: rows of a layer change places, and whoever reads its result takes that up at no cost.

A convolution or fully connected layer reads permuted channels through permuted columns of its own weights. A pool hands
the order on. Outputs of the network and operators of the host read a tensor through a layout, which changes. Whatever
else reads channels by place (additions, residuals, concatenations, products) keeps its operands in natural order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from compiler.ir.graph import Graph
from compiler.ir.integer import Conv, Host, IntegerOp, Pool, Requantize
from compiler.ir.layout import Layout
from compiler.ir.tensor import Port
from compiler.sparse.balance import balance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtl.config import SparseConfig

__all__ = ["Activity", "balance_rows"]

Activity = Mapping[str, "NDArray[np.float32]"]
"""By tensor, ``[height, width, channels]``: how often an element is not zero, 0 to 1."""


def balance_rows(
    graph: Graph, sparse: SparseConfig, runs_there: Callable[[Conv], bool], activity: Activity | None
) -> tuple[Graph, Activity | None]:
    """``graph`` with the filters of its convolutions spread evenly over PEs, and its ``activity``, in the same order.

    Only those that ``runs_there`` says the sparse engine can run, and whose readers all absorb the order, change.
    """
    graph, known = graph.copy(), dict(activity) if activity is not None else None
    for op in graph.select(Conv):
        found = graph.operator(op.name)
        assert isinstance(found, Conv)
        if found.groups > 1 or found.residual is not None or not runs_there(found):
            continue
        tensors = _carriers(graph, found.output)
        if tensors is None:
            continue
        order = balance(found.weights.reshape(-1, found.weights.shape[3]).T != 0, sparse, _activity(found, known))
        _permute_filters(graph, found, order)
        for tensor in tensors:
            _absorb(graph, tensor, order)
            if known is not None and tensor in known:
                known[tensor] = known[tensor][..., order]
    return graph, known


def _activity(op: Conv, known: Activity | None) -> NDArray[np.float32] | None:
    """``[columns]``: how often each element of the window is not zero."""
    if known is None or op.inputs[0] not in known:
        return None
    seen, (kernel_h, kernel_w, depth, _) = known[op.inputs[0]], op.weights.shape
    if seen.shape == (kernel_h, kernel_w, depth):
        return seen.reshape(-1)
    return np.tile(seen.mean(axis=(0, 1)), kernel_h * kernel_w)


def _carriers(graph: Graph, tensor: str) -> list[str] | None:
    """``tensor`` and what pools hand its channels on to; None if anyone who reads them does so by place."""
    found = [tensor]
    for reader in graph.consumers(tensor):
        match reader:
            case Conv():
                by_place = reader.residual is not None and reader.residual.tensor == tensor
                if reader.groups > 1 or by_place:
                    return None
            case Pool():
                behind = _carriers(graph, reader.output)
                if behind is None:
                    return None
                found += behind
            case Host():
                if any(a.tensor == tensor and a.layout is None for a in reader.arguments):
                    return None
            case _:
                return None
    return found


def _absorb(graph: Graph, tensor: str, order: NDArray[np.int64]) -> None:
    """Make all who read ``tensor`` take its channels in ``order``."""
    for reader in graph.consumers(tensor):
        graph.replace(reader.name, _reading(reader, tensor, order))
    if tensor in graph.outputs:
        graph.output_ports = tuple(
            Port(p.name, p.tensor, p.dtype, _permuted(p.layout, order)) if p.tensor == tensor else p
            for p in graph.output_ports
        )


def _reading(reader: object, tensor: str, order: NDArray[np.int64]) -> IntegerOp:
    match reader:
        case Conv():
            return dataclasses.replace(reader, weights=np.take(reader.weights, order, axis=2))
        case Pool():
            return dataclasses.replace(reader, requantize=_rule(reader.requantize, order))
        case Host():
            arguments = tuple(
                dataclasses.replace(a, layout=_permuted(a.layout, order))
                if a.tensor == tensor and a.layout is not None
                else a
                for a in reader.arguments
            )
            return dataclasses.replace(reader, arguments=arguments)
        case _:
            raise TypeError(f"{reader!r} does not absorb an order of channels")


def _permute_filters(graph: Graph, op: Conv, order: NDArray[np.int64]) -> None:
    graph.replace(
        op.name,
        dataclasses.replace(
            op,
            weights=np.take(op.weights, order, axis=3),
            bias=op.bias[order],
            requantize=_rule(op.requantize, order),
        ),
    )


def _rule(rule: Requantize, order: NDArray[np.int64]) -> Requantize:
    return rule if len(rule.scale) == 1 else dataclasses.replace(rule, scale=rule.scale[order])


def _permuted(layout: Layout, order: NDArray[np.int64]) -> Layout:
    """``layout`` of a tensor whose channels come in ``order``."""
    place = np.argsort(order)
    pixel, channel = np.divmod(layout.index, len(order))
    return Layout((pixel * len(order) + place[channel]).astype(layout.index.dtype))
