"""Pools, additions, concatenations and permutations: channels pass the array with weights of 0 and 1."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir.integer import PoolKind
from compiler.mapping.job import FilterTile, Job, Window, hwc_shape
from compiler.mapping.jobs.limits import MAX_TAPS
from compiler.mapping.jobs.output import check_scale, constants, uniform_params
from rtl.isa import AccumulateOp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from compiler.ir.integer import Add, Concat, Permute, Pool
    from rtl.config import ArchConfig

__all__ = ["addition", "concatenation", "permutation", "pool"]

_UNIT_SCALE = np.ones(1, np.float32)


def pool(graph: Graph, op: Pool, config: ArchConfig) -> Job:
    """A maximum or an average over windows, or over the whole plane.

    Raises:
        ModelError: its window or its bias exceed what the array takes.

    """
    in_shape, out_shape = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
    spread = op.kind is PoolKind.GLOBAL
    kernel = (in_shape[0], in_shape[1]) if spread else op.kernel
    if max(kernel) > MAX_TAPS and not spread:
        raise ModelError(f"{op.name}: a window of {kernel[0]}x{kernel[1]} exceeds {MAX_TAPS} along an axis")
    count = 1 if op.kind is PoolKind.MAX else kernel[0] * kernel[1]
    rule = op.requantize
    window = (1, 1) if spread else kernel
    return Job(
        name=op.name,
        op=f"{op.kind.value}pool",
        source=op.inputs[0],
        target=op.output,
        in_shape=in_shape,
        out_shape=out_shape,
        kernel=kernel,
        strides=op.strides,
        pads=(op.pads[0], op.pads[1]),
        fill=-128 if op.kind is PoolKind.MAX else op.input_zero_point,
        tiles=_identity_tiles(
            op.name, in_shape[2], config, window, -count * op.input_zero_point, np.atleast_1d(rule.scale)
        ),
        constants=constants(rule.zero_point, rule.low, rule.high, None),
        accumulate=AccumulateOp.MAX if op.kind is PoolKind.MAX else AccumulateOp.SET,
        reuse_weights=True,
        hold=spread,
    )


def addition(graph: Graph, op: Add, config: ArchConfig) -> Job:
    """A residual addition that no convolution took in."""
    shape = hwc_shape(graph, op.inputs[0])
    return Job(
        name=op.name,
        op="add",
        source=op.inputs[0],
        target=op.output,
        in_shape=shape,
        out_shape=shape,
        tiles=_identity_tiles(op.name, shape[2], config, (1, 1), 0, _UNIT_SCALE),
        constants=constants(0, -128, 127, op.residual),
        skip=op.residual.tensor,
        reuse_weights=True,
    )


def concatenation(graph: Graph, op: Concat, config: ArchConfig) -> list[Job]:
    """Copies of each input to its channels of the target."""
    jobs = []
    channel = 0
    for number, tensor in enumerate(op.inputs):
        shape = hwc_shape(graph, tensor)
        jobs.append(
            Job(
                name=f"{op.name}[{number}]",
                op="concat",
                source=tensor,
                target=op.output,
                in_shape=shape,
                out_shape=shape,
                tiles=_identity_tiles(op.name, shape[2], config, (1, 1), 0, _UNIT_SCALE),
                constants=constants(0, -128, 127, None),
                reuse_weights=True,
                channel_offset=channel,
            )
        )
        channel += shape[2]
    return jobs


def permutation(graph: Graph, op: Permute, config: ArchConfig) -> Job:
    """Channels in another order, or some of them."""
    in_shape, out_shape = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
    tiles = []
    for first in range(0, len(op.channels), config.dense.cols):
        picked = np.asarray(op.channels[first : first + config.dense.cols])
        params = functools.partial(uniform_params, len(picked), 0, _UNIT_SCALE)
        tiles.append(FilterTile(first, len(picked), tuple(_picking(picked, config.dense.rows)), params))
    return Job(
        name=op.name,
        op="permute",
        source=op.inputs[0],
        target=op.output,
        in_shape=in_shape,
        out_shape=out_shape,
        tiles=tuple(tiles),
        constants=constants(0, -128, 127, None),
    )


def _identity_tiles(
    name: str, channels: int, config: ArchConfig, kernel: tuple[int, int], bias: int, scale: NDArray[np.float32]
) -> tuple[FilterTile, ...]:
    """Filter tiles that pass each channel through."""
    size = min(config.dense.rows, config.dense.cols)
    check_scale(name, scale)
    if abs(bias) >= 1 << 31:
        raise ModelError(f"{name}: bias and zero point together exceed 32 bits")
    tiles = []
    for first in range(0, channels, size):
        n = min(size, channels - first)
        make = functools.partial(np.eye, n, dtype=np.int8)
        window = Window(0, 0, first, n, kernel[1], 1, kernel[0], 1, n, n, make)
        part = scale[first : first + n] if len(scale) > 1 else scale
        tiles.append(FilterTile(first, n, (window,), functools.partial(uniform_params, n, bias, part)))
    return tuple(tiles)


def _picking(picked: NDArray[np.int64], rows: int) -> list[Window]:
    """Runs of channels, none longer than the array has rows, that hold all ``picked``; weights of 0 and 1."""
    windows = []
    rest = np.unique(picked)
    while rest.size:
        first = int(rest[0])
        inside = rest[rest < first + rows]
        run = int(inside[-1]) - first + 1
        make = functools.partial(_picks, picked, first, run)
        windows.append(Window(0, 0, first, run, 1, 1, 1, 1, run, len(picked), make))
        rest = rest[inside.size :]
    return windows


def _picks(picked: NDArray[np.int64], first: int, run: int) -> NDArray[np.int8]:
    return (picked == np.arange(first, first + run)[:, None]).astype(np.int8)
