"""Products of two activations: one of them takes the place of the weights."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.job import FilterTile, Job, Window, hwc_shape
from compiler.mapping.jobs.limits import weight_room
from compiler.mapping.jobs.output import check_scale, constants, uniform_params

if TYPE_CHECKING:
    from compiler.ir.graph import Graph
    from compiler.ir.integer import MatMul
    from rtl.config import ArchConfig

__all__ = ["product"]


def product(graph: Graph, op: MatMul, config: ArchConfig) -> Job:
    """A product of two tensors, the second of which is loaded as weights are.

    Raises:
        ModelError: its scale exceeds the requantiser's.

    """
    in_shape, out_shape = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
    depth, filters = in_shape[2] // op.groups, out_shape[2] // op.groups
    tiles = []
    check_scale(op.name, op.requantize.scale)
    for group in range(op.groups):
        for first in range(0, filters, config.dense.cols):
            count = min(config.dense.cols, filters - first)
            column = group * filters + first
            params = functools.partial(uniform_params, count, 0, op.requantize.scale)
            windows = _tensor_windows(group * depth, depth, count, column, config)
            tiles.append(FilterTile(column, count, tuple(windows), params))
    rule = op.requantize
    return Job(
        name=op.name,
        op="matmul",
        source=op.inputs[0],
        target=op.output,
        in_shape=in_shape,
        out_shape=out_shape,
        tiles=tuple(tiles),
        constants=constants(rule.zero_point, rule.low, rule.high, None),
        macs=out_shape[1] * out_shape[2] * depth,
        weights_from=op.inputs[1],
    )


def _tensor_windows(channel: int, depth: int, filters: int, column: int, config: ArchConfig) -> list[Window]:
    """Windows of one product whose weights, rows of a tensor, fit half of the weight scratchpad."""
    rows = config.dense.rows
    room = weight_room(config, filters)
    size = max(rows, room // rows * rows)
    windows = []
    for first in range(0, depth, size):
        run = min(size, depth - first)
        make = functools.partial(np.zeros, (run, filters), np.int8)
        windows.append(Window(0, 0, channel + first, run, 1, 1, 1, 1, run, filters, make, (first, column)))
    return windows
