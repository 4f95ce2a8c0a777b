"""What one integer operator asks of the array, in one form for all of them.

Convolutions, fully connected layers, pools, additions and copies are all the same loop: over tiles of output channels
(*filter tiles*) and tiles of output pixels, accumulate some *windows* of the input times some weights, then
requantise. Pools and additions pass their input through with a unit matrix as weights.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir.integer import Add, Concat, Conv, IntegerOp, MatMul, Permute, Pool, PoolKind, Residual
from compiler.numerics import mantissa_shift
from compiler.passes.low_planes import has_two_planes
from compiler.repeats import distinct
from rtl.isa import PARAM_BYTES, AccumulateOp, PostConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from rtl.config import ArchConfig

__all__ = [
    "FilterTile",
    "Job",
    "Window",
    "channel_params",
    "check_scale",
    "constants",
    "hwc_shape",
    "jobs_of",
]

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
    rows: int
    """Rows of ``weights``."""
    filters: int
    make: Callable[[], NDArray[np.int8]]
    """Makes ``weights``: nobody pays for them who only wants to know what they cost."""
    weights_at: tuple[int, int] = (0, 0)
    """Row and column of them in :attr:`Job.weights_from`, if the job has that; there is nothing to be made then."""

    @property
    def size(self) -> int:
        """Bytes of ``weights``."""
        return self.rows * self.filters

    @property
    def weights(self) -> NDArray[np.int8]:
        """The weights themselves, made anew."""
        return self.make()


@dataclass(frozen=True, slots=True, eq=False)
class FilterTile:
    """Up to ``cols`` output channels: their windows and their parameters."""

    channel: int
    """First output channel."""
    filters: int
    windows: tuple[Window, ...]
    make_params: Callable[[], NDArray[np.uint8]]

    @property
    def params(self) -> NDArray[np.uint8]:
        """The parameters themselves, made anew."""
        return self.make_params()

    @property
    def param_bytes(self) -> int:
        """Bytes of ``params``."""
        return PARAM_BYTES * self.filters

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights of all windows."""
        return sum(window.size for window in self.windows)


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


def hwc_shape(graph: Graph, tensor: str) -> tuple[int, int, int]:
    """``(height, width, channels)`` of a tensor."""
    height, width, channels = graph.tensor(tensor).shape
    return height, width, channels


def constants(zero_point: int, low: int, high: int, residual: Residual | None) -> PostConfig:
    """Constants of the output stage."""
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


def _params(bias: NDArray[np.int64], scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bias, mantissa and shift of each channel, byte planes: ``[8, channels]`` flat."""
    mantissa, shift = mantissa_shift(np.broadcast_to(scale, bias.shape))
    planes = np.zeros((PARAM_BYTES, len(bias)), np.uint8)
    planes[:4] = bias.astype("<i4").view(np.uint8).reshape(-1, 4).T
    planes[4:7] = mantissa.astype("<u4").view(np.uint8).reshape(-1, 4).T[:3]
    planes[7] = shift
    return planes.ravel()


def channel_params(bias: NDArray[np.int64], scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    """As the sparse engine reads them, channel after channel: ``[channels * 8]``."""
    return np.ascontiguousarray(_params(bias, scale).reshape(PARAM_BYTES, -1).T).ravel()


def check_scale(name: str, scale: NDArray[np.float32]) -> None:
    """Refuse scales that the requantiser cannot take."""
    if (mantissa_shift(scale)[1] < MIN_SHIFT).any():
        raise ModelError(f"{name}: requantisation scale {scale.max():g} is 2**16 or more; calibrate the model again")


def _folded_bias(op: Conv) -> NDArray[np.int64]:
    """Bias less what the zero point of the input contributes."""
    return op.bias.astype(np.int64) - op.input_zero_point * _sums(op.weights)


def _sums(weights: NDArray[np.int16]) -> NDArray[np.int64]:
    """Of each filter."""
    different = distinct(weights)
    sums = different.sum(axis=(0, 1, 2), dtype=np.int64) * (weights[..., 0].size // different[..., 0].size)
    return np.broadcast_to(sums, weights.shape[3])


def _check_bias(op: Conv) -> None:
    """Refuse biases beyond 32 bits. The weights are only summed if they could matter."""
    limit = 1 << 31
    most = int(np.abs(op.bias.astype(np.int64)).max(initial=0))
    most += 255 * abs(op.input_zero_point) * op.weights[..., 0].size
    if most >= limit and (np.abs(_folded_bias(op)) >= limit).any():
        raise ModelError(f"{op.name}: bias and zero point together exceed 32 bits")


def _is_wide(weights: NDArray[np.int16]) -> bool:
    """Whether int8 does not hold them."""
    different = distinct(weights)
    return different.max(initial=0) > 127 or different.min(initial=0) < -128


def _split_wide(weights: NDArray[np.int16]) -> list[NDArray[np.int8]]:
    """int8 planes whose sum is ``weights``: weights with a zero point reach -255..255. Mostly one."""
    planes = []
    rest = weights.astype(np.int32)
    while not planes or rest.any():
        plane = np.clip(rest, -128, 127)
        planes.append(plane.astype(np.int8))
        rest = rest - plane
    return planes


def _conv(graph: Graph, op: Conv, config: ArchConfig) -> Job:
    in_shape, out_shape = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
    kh, kw, per_group, filters = op.weights.shape
    if max(kh, kw) > _MAX_TAPS:
        raise ModelError(f"{op.name}: a kernel of {kh}x{kw} exceeds {_MAX_TAPS} taps along an axis")
    scale = np.broadcast_to(op.requantize.scale, op.bias.shape)
    check_scale(op.name, op.requantize.scale)
    _check_bias(op)
    bias = functools.cache(functools.partial(_folded_bias, op))
    wide = _is_wide(op.weights)
    if wide and has_two_planes(op):
        raise ModelError(
            f"{op.name}: its weights have two planes of 8 bits, which no engine runs yet: hwsim estimate tells what "
            "they would cost"
        )
    channelwise = op.groups == in_shape[2] == filters and op.groups > 1
    depthwise = channelwise and 1 < kw <= config.dense.depthwise_taps
    depthwise = depthwise and op.dilations[1] == 1 and op.strides[1] < 16
    tiles: list[FilterTile] = []

    def add(part: slice, windows: list[Window]) -> None:
        make = functools.partial(_conv_params, bias, scale, part)
        tiles.append(FilterTile(part.start, part.stop - part.start, tuple(windows), make))

    if channelwise:
        size = min(config.dense.rows, config.dense.cols)
        windows_of = _depthwise_windows if depthwise else _diagonal_windows
        for first in range(0, filters, size):
            part = slice(first, min(first + size, filters))
            add(part, windows_of(op, part, wide, config))
    else:
        group_filters = filters // op.groups
        for group in range(op.groups):
            for first in range(0, group_filters, config.dense.cols):
                last = min(first + config.dense.cols, group_filters)
                part = slice(group * group_filters + first, group * group_filters + last)
                add(part, _dense_windows(op, part, group * per_group, wide, config))
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
        constants=constants(rule.zero_point, rule.low, rule.high, op.residual),
        macs=out_shape[0] * out_shape[1] * filters * kh * kw * per_group,
        skip=op.residual.tensor if op.residual else None,
        depthwise=depthwise,
        natural_run=kw * in_shape[2] if contiguous and not depthwise else 0,
    )


def _conv_params(bias: Callable[[], NDArray[np.int64]], scale: NDArray[np.float32], part: slice) -> NDArray[np.uint8]:
    return _params(bias()[part], scale[part])


def _planes(weights: NDArray[np.int16], wide: bool) -> list[Callable[[], NDArray[np.int8]]]:
    """int8 planes whose sum is ``weights``, mostly one, that is made when it is asked for."""
    if not wide:
        return [lambda: weights.astype(np.int8)]
    return [functools.partial(np.asarray, plane) for plane in _split_wide(weights)]


def _depthwise_windows(op: Conv, part: slice, wide: bool, _: ArchConfig) -> list[Window]:
    kh, kw = op.weights.shape[:2]
    channels = part.stop - part.start

    def flat(plane: Callable[[], NDArray[np.int8]]) -> NDArray[np.int8]:
        return plane().reshape(kh * kw, channels)

    return [
        Window(
            0, 0, part.start, channels, kw, 1, kh, op.dilations[0], kh * kw, channels, functools.partial(flat, plane)
        )
        for plane in _planes(op.weights[:, :, 0, part], wide)
    ]


def _diagonal_windows(op: Conv, part: slice, wide: bool, config: ArchConfig) -> list[Window]:
    """Channels on the diagonal of a tile per tap: for kernels that the columns cannot convolve by themselves."""
    kh, kw = op.weights.shape[:2]
    channels = part.stop - part.start
    room = min(config.memory.weight_kib * 512, _MAX_LOAD) // channels
    step_y, step_x = op.dilations

    def tiles(plane: Callable[[], NDArray[np.int8]]) -> NDArray[np.int8]:
        return (plane()[:, :, :, None] * np.eye(channels, dtype=np.int8)).reshape(-1, channels)

    def tap(plane: Callable[[], NDArray[np.int8]], j: int, i: int) -> NDArray[np.int8]:
        return plane()[j, i, :, None] * np.eye(channels, dtype=np.int8)

    windows = []
    for plane in _planes(op.weights[:, :, 0, part], wide):
        if kh * kw * channels <= room:
            make = functools.partial(tiles, plane)
            rows = kh * kw * channels
            windows.append(Window(0, 0, part.start, channels, kw, step_x, kh, step_y, rows, channels, make))
            continue
        windows += [
            Window(
                j * step_y, i * step_x, part.start, channels, 1, 1, 1, 1, channels, channels,
                functools.partial(tap, plane, j, i),
            )
            for j in range(kh)
            for i in range(kw)
        ]  # fmt: skip
    return windows


def _dense_windows(op: Conv, part: slice, channel: int, wide: bool, config: ArchConfig) -> list[Window]:
    """Windows whose weights fit half of the weight scratchpad, so that the next one loads meanwhile."""
    kh, kw, depth, _ = op.weights.shape
    filters = part.stop - part.start
    room = min(config.memory.weight_kib * 512, _MAX_LOAD) // filters
    contiguous = op.dilations[1] == 1 and op.groups == 1 and kw * depth <= _MAX_RUN
    step_y, step_x = op.dilations
    windows: list[Window] = []
    for number, plane in enumerate(_planes(op.weights[..., part], wide)):

        def flat(first: int, last: int, plane: Callable[[], NDArray[np.int8]] = plane) -> NDArray[np.int8]:
            return plane().reshape(-1, filters)[first:last]

        total = kh * kw * depth
        if number == 0 and total <= room:
            run, across, step = (kw * depth, 1, 1) if contiguous else (depth, kw, step_x)
            make = functools.partial(flat, 0, total)
            windows.append(Window(0, 0, channel, run, across, step, kh, step_y, total, filters, make))
            continue
        run = kw * depth if contiguous else depth
        height = config.dense.rows
        size = height if number > 0 else max(height, room // height * height)
        for row in range(total // run):
            j, i = (row, 0) if contiguous else divmod(row, kw)
            for first in range(0, run, size):
                last = min(first + size, run)
                make = functools.partial(flat, row * run + first, row * run + last)
                # Of a second plane only the array tiles that are not all zero.
                if number > 0 and not make().any():
                    continue
                windows.append(
                    Window(
                        j * step_y, i * step_x, channel + first, last - first, 1, 1, 1, 1, last - first, filters, make
                    )
                )
    return windows


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
        tiles.append(FilterTile(first, n, (window,), functools.partial(_identity_params, n, bias, part)))
    return tuple(tiles)


def _identity_params(channels: int, bias: int, scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    return _params(np.full(channels, bias, np.int64), scale)


def _pool(graph: Graph, op: Pool, config: ArchConfig) -> Job:
    in_shape, out_shape = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
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
        constants=constants(rule.zero_point, rule.low, rule.high, None),
        macs=0,
        accumulate=AccumulateOp.MAX if op.kind is PoolKind.MAX else AccumulateOp.SET,
        reuse_weights=True,
        hold=spread,
    )


_UNIT_SCALE = np.ones(1, np.float32)


def _add(graph: Graph, op: Add, config: ArchConfig) -> Job:
    shape = hwc_shape(graph, op.inputs[0])
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
        constants=constants(0, -128, 127, op.residual),
        macs=0,
        skip=op.residual.tensor,
        reuse_weights=True,
    )


def _concat(graph: Graph, op: Concat, config: ArchConfig) -> list[Job]:
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
                kernel=(1, 1),
                strides=(1, 1),
                pads=(0, 0),
                fill=0,
                tiles=_identity_tiles(op.name, shape[2], config, (1, 1), 0, _UNIT_SCALE),
                constants=constants(0, -128, 127, None),
                macs=0,
                reuse_weights=True,
                channel_offset=channel,
            )
        )
        channel += shape[2]
    return jobs


def _permute(graph: Graph, op: Permute, config: ArchConfig) -> Job:
    in_shape, out_shape = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
    tiles = []
    for first in range(0, len(op.channels), config.dense.cols):
        picked = np.asarray(op.channels[first : first + config.dense.cols])
        params = functools.partial(_identity_params, len(picked), 0, _UNIT_SCALE)
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
        constants=constants(0, -128, 127, None),
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
        make = functools.partial(_picks, picked, first, run)
        windows.append(Window(0, 0, first, run, 1, 1, 1, 1, run, len(picked), make))
        rest = rest[inside.size :]
    return windows


def _picks(picked: NDArray[np.int64], first: int, run: int) -> NDArray[np.int8]:
    return (picked == np.arange(first, first + run)[:, None]).astype(np.int8)


def _matmul(graph: Graph, op: MatMul, config: ArchConfig) -> Job:
    in_shape, out_shape = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
    depth, filters = in_shape[2] // op.groups, out_shape[2] // op.groups
    tiles = []
    check_scale(op.name, op.requantize.scale)
    for group in range(op.groups):
        for first in range(0, filters, config.dense.cols):
            count = min(config.dense.cols, filters - first)
            column = group * filters + first
            params = functools.partial(_identity_params, count, 0, op.requantize.scale)
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
        constants=constants(rule.zero_point, rule.low, rule.high, None),
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
        make = functools.partial(np.zeros, (run, filters), np.int8)
        windows.append(Window(0, 0, channel + first, run, 1, 1, 1, 1, run, filters, make, (first, column)))
    return windows
