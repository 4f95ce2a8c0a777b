"""Convolutions and fully connected layers: weights cut into windows that the weight scratchpad holds."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.mapping.job import FilterTile, Job, Window, hwc_shape
from compiler.mapping.jobs.limits import MAX_RUN, MAX_TAPS, weight_room
from compiler.mapping.jobs.output import check_scale, constants, plane_params
from compiler.passes.low_planes import has_two_planes
from compiler.repeats import distinct

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from compiler.ir.integer import Conv
    from rtl.config import ArchConfig

__all__ = ["convolution"]


def convolution(graph: Graph, op: Conv, config: ArchConfig) -> Job:
    """A convolution, grouped and depthwise ones included, or a fully connected layer.

    Raises:
        ModelError: its kernel, scale, bias or weights exceed what the array takes.

    """
    in_shape, out_shape = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
    kh, kw, per_group, filters = op.weights.shape
    if max(kh, kw) > MAX_TAPS:
        raise ModelError(f"{op.name}: a kernel of {kh}x{kw} exceeds {MAX_TAPS} taps along an axis")
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
    return plane_params(bias()[part], scale[part])


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
    room = weight_room(config, channels)
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
    room = weight_room(config, filters)
    contiguous = op.dilations[1] == 1 and op.groups == 1 and kw * depth <= MAX_RUN
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


def _planes(weights: NDArray[np.int16], wide: bool) -> list[Callable[[], NDArray[np.int8]]]:
    """int8 planes whose sum is ``weights``, mostly one, that is made when it is asked for."""
    if not wide:
        return [lambda: weights.astype(np.int8)]
    return [functools.partial(np.asarray, plane) for plane in _split_wide(weights)]
