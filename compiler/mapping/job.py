"""What one integer operator asks of the array, in one form for all of them.

Convolutions, fully connected layers, pools, additions and copies are all the same loop: over tiles of output channels
(*filter tiles*) and tiles of output pixels, accumulate some *windows* of the input times some weights, then
requantise. Pools and additions pass their input through with a unit matrix as weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir.integer import Add, Concat, Conv, IntegerOp, MatMul, Permute, Pool, PoolKind, Residual
from compiler.numerics import mantissa_shift
from compiler.repeats import distinct
from rtl.isa import PARAM_BYTES, AccumulateOp, PostConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from rtl.config import ArchConfig

__all__ = ["FilterTile", "Job", "Window", "jobs_of"]

MIN_SHIFT = 8
"""Smallest shift of the requantiser: scales of 2**16 and more are refused."""
_MAX_RUN = (1 << 16) - 1
_MAX_TAPS = 255
_MAX_LOAD = (1 << 20) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A part of the reduction, against ``weights``: ``[ky * kx * run, filters]`` int8, or one tile that is reused.

    It is ``run`` bytes from (``tap_y``, ``tap_x``, ``channel``) on, ``kx`` times along x and ``ky`` times along y.
    Taps are in input pixels; ``step_x`` and ``step_y`` are the distances between them (the dilation).
    """

    tap_y: int
    tap_x: int
    channel: int
    run: int
    kx: int
    step_x: int
    ky: int
    step_y: int
    weights: NDArray[np.int8]
    weights_at: tuple[int, int] = (0, 0)
    """Row and column of them in :attr:`Job.weights_from`, if the job has that; ``weights`` then has but their shape."""


@dataclass(frozen=True, slots=True, eq=False)
class FilterTile:
    """Up to ``cols`` output channels: their windows and their parameters (``8 * filters`` bytes)."""

    channel: int
    """First output channel."""
    filters: int
    windows: tuple[Window, ...]
    params: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One operator (or one input of a concatenation) for the array.

    Shapes are ``(height, width, channels)``; ``kernel`` is the extent of the window in input pixels, dilation included.
    """

    name: str
    op: str
    source: str
    """Input tensor."""
    target: str
    """Output tensor."""
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int]
    """Top and left; the bottom and right follow from the shapes."""
    fill: int
    """Value of padding."""
    tiles: tuple[FilterTile, ...]
    constants: PostConfig
    macs: int
    """Multiply-accumulates of the operator itself, whatever the array spends on it."""
    skip: str | None = None
    """Tensor added by the output stage."""
    accumulate: AccumulateOp = AccumulateOp.SET
    depthwise: bool = False
    reuse_weights: bool = False
    hold: bool = False
    """All pixels of the input accumulate into one output pixel."""
    natural_run: int = 0
    """Bytes of a window's row where they are contiguous: decides the row pitch. 0: any pitch will do."""
    channel_offset: int = 0
    """First channel written, of a target that several jobs write."""
    weights_from: str | None = None
    """Tensor ``[1, rows, columns]`` that holds the weights, of a product of two activations."""


def jobs_of(graph: Graph, op: IntegerOp, config: ArchConfig) -> list[Job]:
    """The jobs of ``op``, in order.

    Raises:
        ModelError: the operator needs what this architecture cannot do; the message says what.

    """
    match op:
        case Conv():
            return [_conv(graph, op, config)]
        case Pool():
            return [_pool(graph, op, config)]
        case Add():
            return [_add(graph, op, config)]
        case Concat():
            return _concat(graph, op, config)
        case Permute():
            return [_permute(graph, op, config)]
        case MatMul():
            return [_matmul(graph, op, config)]
        case _:
            raise ModelError(f"{op.name}: the accelerator has no {type(op).__name__}")


def _shape(graph: Graph, tensor: str) -> tuple[int, int, int]:
    height, width, channels = graph.tensor(tensor).shape
    return height, width, channels


def _constants(zero_point: int, low: int, high: int, residual: Residual | None) -> PostConfig:
    if residual is None:
        return PostConfig(zero_point=zero_point, low=low, high=high)
    return PostConfig(
        zero_point=zero_point,
        low=low,
        high=high,
        main=residual.main,
        skip=residual.skip,
        offset=residual.offset,
        shift=residual.shift,
        residual_low=residual.low,
        residual_high=residual.high,
    )


def _params(name: str, bias: NDArray[np.int64], scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bias, mantissa and shift of each channel, byte planes: ``[8, channels]`` flat."""
    mantissa, shift = mantissa_shift(np.broadcast_to(scale, bias.shape))
    if (shift < MIN_SHIFT).any():
        raise ModelError(f"{name}: requantisation scale {scale.max():g} is 2**16 or more; calibrate the model again")
    if (np.abs(bias) >= 1 << 31).any():
        raise ModelError(f"{name}: bias and zero point together exceed 32 bits")
    planes = np.zeros((PARAM_BYTES, len(bias)), np.uint8)
    planes[:4] = bias.astype("<i4").view(np.uint8).reshape(-1, 4).T
    planes[4:7] = mantissa.astype("<u4").view(np.uint8).reshape(-1, 4).T[:3]
    planes[7] = shift
    return planes.ravel()


def _split_wide(weights: NDArray[np.int16]) -> list[NDArray[np.int8]]:
    """int8 planes whose sum is ``weights``: weights with a zero point reach -255..255. Mostly one."""
    different = distinct(weights)
    if different.max(initial=0) <= 127 and different.min(initial=0) >= -128:
        return [weights.astype(np.int8, order="C")]
    planes = []
    rest = weights.astype(np.int32)
    while not planes or rest.any():
        plane = np.clip(rest, -128, 127)
        planes.append(plane.astype(np.int8))
        rest = rest - plane
    return planes


def _conv(graph: Graph, op: Conv, config: ArchConfig) -> Job:
    in_shape, out_shape = _shape(graph, op.inputs[0]), _shape(graph, op.output)
    kh, kw, per_group, filters = op.weights.shape
    if max(kh, kw) > _MAX_TAPS:
        raise ModelError(f"{op.name}: a kernel of {kh}x{kw} exceeds {_MAX_TAPS} taps along an axis")
    bias = op.bias.astype(np.int64) - op.input_zero_point * _sums(op.weights)
    channelwise = op.groups == in_shape[2] == filters and op.groups > 1
    depthwise = channelwise and 1 < kw <= config.dense.depthwise_taps
    depthwise = depthwise and op.dilations[1] == 1 and op.strides[1] < 16
    tiles: list[FilterTile] = []
    if channelwise:
        size = min(config.dense.rows, config.dense.cols)
        windows_of = _depthwise_windows if depthwise else _diagonal_windows
        for first in range(0, filters, size):
            part = slice(first, min(first + size, filters))
            tiles.append(_filter_tile(op, part, bias, windows_of(op, part, config)))
    else:
        group_filters = filters // op.groups
        for group in range(op.groups):
            for first in range(0, group_filters, config.dense.cols):
                last = min(first + config.dense.cols, group_filters)
                part = slice(group * group_filters + first, group * group_filters + last)
                windows = _dense_windows(op, part, group * per_group, config)
                tiles.append(_filter_tile(op, part, bias, windows))
    contiguous = op.dilations[1] == 1 and op.groups == 1
    rule = op.requantize
    return Job(
        name=op.name,
        op="depthwise" if op.groups > 1 and per_group == 1 else "conv" if kh * kw > 1 or out_shape[0] > 1 else "dense",
        source=op.inputs[0],
        target=op.output,
        in_shape=in_shape,
        out_shape=out_shape,
        kernel=((kh - 1) * op.dilations[0] + 1, (kw - 1) * op.dilations[1] + 1),
        strides=op.strides,
        pads=(op.pads[0], op.pads[1]),
        fill=op.input_zero_point,
        tiles=tuple(tiles),
        constants=_constants(rule.zero_point, rule.low, rule.high, op.residual),
        macs=out_shape[0] * out_shape[1] * filters * kh * kw * per_group,
        skip=op.residual.tensor if op.residual else None,
        depthwise=depthwise,
        natural_run=kw * in_shape[2] if contiguous and not depthwise else 0,
    )


def _sums(weights: NDArray[np.int16]) -> NDArray[np.int64]:
    """Of each filter."""
    different = distinct(weights)
    sums = different.sum(axis=(0, 1, 2), dtype=np.int64) * (weights[..., 0].size // different[..., 0].size)
    return np.broadcast_to(sums, weights.shape[3])


def _filter_tile(op: Conv, part: slice, bias: NDArray[np.int64], windows: list[Window]) -> FilterTile:
    scale = np.broadcast_to(op.requantize.scale, bias.shape)[part]
    return FilterTile(part.start, part.stop - part.start, tuple(windows), _params(op.name, bias[part], scale))


def _depthwise_windows(op: Conv, part: slice, _: ArchConfig) -> list[Window]:
    kh, kw = op.weights.shape[:2]
    channels = part.stop - part.start
    return [
        Window(0, 0, part.start, channels, kw, 1, kh, op.dilations[0], plane.reshape(kh * kw, channels))
        for plane in _split_wide(op.weights[:, :, 0, part])
    ]


def _diagonal_windows(op: Conv, part: slice, config: ArchConfig) -> list[Window]:
    """Channels on the diagonal of a tile per tap: for kernels that the columns cannot convolve by themselves."""
    kh, kw = op.weights.shape[:2]
    channels = part.stop - part.start
    room = min(config.memory.weight_kib * 512, _MAX_LOAD) // channels
    windows = []
    for plane in _split_wide(op.weights[:, :, 0, part]):
        tiles = plane[:, :, :, None] * np.eye(channels, dtype=np.int8)
        step_y, step_x = op.dilations
        if kh * kw * channels <= room:
            flat = tiles.reshape(-1, channels)
            windows.append(Window(0, 0, part.start, channels, kw, step_x, kh, step_y, flat))
            continue
        windows += [
            Window(j * step_y, i * step_x, part.start, channels, 1, 1, 1, 1, tiles[j, i])
            for j in range(kh)
            for i in range(kw)
        ]
    return windows


def _dense_windows(op: Conv, part: slice, channel: int, config: ArchConfig) -> list[Window]:
    """Windows whose weights fit half of the weight scratchpad, so that the next one loads meanwhile."""
    kh, kw, depth, _ = op.weights.shape
    filters = part.stop - part.start
    room = min(config.memory.weight_kib * 512, _MAX_LOAD) // filters
    contiguous = op.dilations[1] == 1 and op.groups == 1 and kw * depth <= _MAX_RUN
    step_y, step_x = op.dilations
    windows: list[Window] = []
    for number, plane in enumerate(_split_wide(op.weights[..., part])):
        if contiguous:
            flat = plane.reshape(kh, kw * depth, filters)
            whole = Window(0, 0, channel, kw * depth, 1, 1, kh, step_y, flat.reshape(-1, filters))
            rows = [Window(j * step_y, 0, channel, kw * depth, 1, 1, 1, 1, flat[j]) for j in range(kh)]
        else:
            whole = Window(0, 0, channel, depth, kw, step_x, kh, step_y, plane.reshape(-1, filters))
            rows = [
                Window(j * step_y, i * step_x, channel, depth, 1, 1, 1, 1, plane[j, i])
                for j in range(kh)
                for i in range(kw)
            ]
        if number == 0 and len(whole.weights) <= room:
            windows.append(whole)
            continue
        for row in rows:
            windows += _pieces(row, room, config.dense.rows, skip_zeros=number > 0)
    return windows


def _pieces(row: Window, room: int, rows: int, *, skip_zeros: bool) -> list[Window]:
    """A single run, cut to ``room`` rows of weights; with ``skip_zeros`` without the array tiles that are all zero."""
    size = max(rows, room // rows * rows)
    if skip_zeros:
        size = rows
    pieces = []
    for first in range(0, row.run, size):
        weights = row.weights[first : first + size]
        if skip_zeros and not weights.any():
            continue
        pieces.append(Window(row.tap_y, row.tap_x, row.channel + first, len(weights), 1, 1, 1, 1, weights))
    return pieces


def _identity_tiles(
    name: str, channels: int, config: ArchConfig, kernel: tuple[int, int], bias: int, scale: NDArray[np.float32]
) -> tuple[FilterTile, ...]:
    """Filter tiles that pass each channel through."""
    size = min(config.dense.rows, config.dense.cols)
    tiles = []
    for first in range(0, channels, size):
        n = min(size, channels - first)
        window = Window(0, 0, first, n, kernel[1], 1, kernel[0], 1, np.eye(n, dtype=np.int8))
        part = scale[first : first + n] if len(scale) > 1 else scale
        params = _params(name, np.full(n, bias, np.int64), part)
        tiles.append(FilterTile(first, n, (window,), params))
    return tuple(tiles)


def _pool(graph: Graph, op: Pool, config: ArchConfig) -> Job:
    in_shape, out_shape = _shape(graph, op.inputs[0]), _shape(graph, op.output)
    spread = op.kind is PoolKind.GLOBAL
    kernel = (in_shape[0], in_shape[1]) if spread else op.kernel
    if max(kernel) > _MAX_TAPS and not spread:
        raise ModelError(f"{op.name}: a window of {kernel[0]}x{kernel[1]} exceeds {_MAX_TAPS} along an axis")
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
        constants=_constants(rule.zero_point, rule.low, rule.high, None),
        macs=0,
        accumulate=AccumulateOp.MAX if op.kind is PoolKind.MAX else AccumulateOp.SET,
        reuse_weights=True,
        hold=spread,
    )


_UNIT_SCALE = np.ones(1, np.float32)


def _add(graph: Graph, op: Add, config: ArchConfig) -> Job:
    shape = _shape(graph, op.inputs[0])
    return Job(
        name=op.name,
        op="add",
        source=op.inputs[0],
        target=op.output,
        in_shape=shape,
        out_shape=shape,
        kernel=(1, 1),
        strides=(1, 1),
        pads=(0, 0),
        fill=0,
        tiles=_identity_tiles(op.name, shape[2], config, (1, 1), 0, _UNIT_SCALE),
        constants=_constants(0, -128, 127, op.residual),
        macs=0,
        skip=op.residual.tensor,
        reuse_weights=True,
    )


def _concat(graph: Graph, op: Concat, config: ArchConfig) -> list[Job]:
    jobs = []
    channel = 0
    for number, tensor in enumerate(op.inputs):
        shape = _shape(graph, tensor)
        jobs.append(
            Job(
                name=f"{op.name}[{number}]",
                op="concat",
                source=tensor,
                target=op.output,
                in_shape=shape,
                out_shape=shape,
                kernel=(1, 1),
                strides=(1, 1),
                pads=(0, 0),
                fill=0,
                tiles=_identity_tiles(op.name, shape[2], config, (1, 1), 0, _UNIT_SCALE),
                constants=_constants(0, -128, 127, None),
                macs=0,
                reuse_weights=True,
                channel_offset=channel,
            )
        )
        channel += shape[2]
    return jobs


def _permute(graph: Graph, op: Permute, config: ArchConfig) -> Job:
    in_shape, out_shape = _shape(graph, op.inputs[0]), _shape(graph, op.output)
    tiles = []
    for first in range(0, len(op.channels), config.dense.cols):
        picked = np.asarray(op.channels[first : first + config.dense.cols])
        params = _params(op.name, np.zeros(len(picked), np.int64), _UNIT_SCALE)
        tiles.append(FilterTile(first, len(picked), tuple(_picking(picked, config.dense.rows)), params))
    return Job(
        name=op.name,
        op="permute",
        source=op.inputs[0],
        target=op.output,
        in_shape=in_shape,
        out_shape=out_shape,
        kernel=(1, 1),
        strides=(1, 1),
        pads=(0, 0),
        fill=0,
        tiles=tuple(tiles),
        constants=_constants(0, -128, 127, None),
        macs=0,
    )


def _picking(picked: NDArray[np.int64], rows: int) -> list[Window]:
    """Runs of channels, none longer than the array has rows, that hold all ``picked``; weights of 0 and 1."""
    windows = []
    rest = np.unique(picked)
    while rest.size:
        first = int(rest[0])
        inside = rest[rest < first + rows]
        run = int(inside[-1]) - first + 1
        weights = (picked == np.arange(first, first + run)[:, None]).astype(np.int8)
        windows.append(Window(0, 0, first, run, 1, 1, 1, 1, weights))
        rest = rest[inside.size :]
    return windows


def _matmul(graph: Graph, op: MatMul, config: ArchConfig) -> Job:
    in_shape, out_shape = _shape(graph, op.inputs[0]), _shape(graph, op.output)
    depth, filters = in_shape[2] // op.groups, out_shape[2] // op.groups
    tiles = []
    for group in range(op.groups):
        for first in range(0, filters, config.dense.cols):
            count = min(config.dense.cols, filters - first)
            column = group * filters + first
            params = _params(op.name, np.zeros(count, np.int64), op.requantize.scale)
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
        kernel=(1, 1),
        strides=(1, 1),
        pads=(0, 0),
        fill=0,
        tiles=tuple(tiles),
        constants=_constants(rule.zero_point, rule.low, rule.high, None),
        macs=out_shape[1] * out_shape[2] * depth,
        weights_from=op.inputs[1],
    )


def _tensor_windows(channel: int, depth: int, filters: int, column: int, config: ArchConfig) -> list[Window]:
    """Windows of one product whose weights, rows of a tensor, fit half of the weight scratchpad."""
    rows = config.dense.rows
    room = min(config.memory.weight_kib * 512, _MAX_LOAD) // filters
    size = max(rows, room // rows * rows)
    windows = []
    for first in range(0, depth, size):
        run = min(size, depth - first)
        shape = np.broadcast_to(np.int8(0), (run, filters))
        windows.append(Window(0, 0, channel + first, run, 1, 1, 1, 1, shape, (first, column)))
    return windows
