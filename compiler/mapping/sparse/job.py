"""What one operator asks of the sparse engine: a compressed matrix over im2col columns, and the output stage.

Average pools, additions, concatenations and permutations are convolutions with few weights that are 1. A maximum is
none, and a product of two activations has no matrix to compress.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from compiler.ir.integer import Add, Concat, Conv, IntegerOp, Permute, Pool, PoolKind, Requantize, Residual
from compiler.mapping.job import Job, hwc_shape
from compiler.mapping.jobs.output import channel_params, check_scale, constants
from compiler.mapping.sparse.weights import Codes, UnfitError, codes_of
from compiler.sparse.csc import Compressed, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["SparseJob", "sparse_jobs"]

_MAX_TAPS = 255
_UNIT_SCALE = np.ones(1, np.float32)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SparseJob(Job):
    """A :class:`Job` without filter tiles: its weights are compressed.

    ``fill``, the value of padding, is the input's zero point, which SPARSE takes off and skips.
    """

    codes: Codes
    taps: tuple[int, int]
    """Of the kernel: rows and columns."""
    dilations: tuple[int, int]
    make_params: Callable[[], NDArray[np.uint8]]
    """Parameters of the output stage, channel after channel: ``[PARAM_BYTES * filters]``."""
    compress: Callable[[int, int], Compressed]
    """The matrix of channels from the first to before the last, remembered."""

    @property
    def filters(self) -> int:
        """Output channels."""
        return self.codes.matrix.shape[0]

    @property
    def columns(self) -> int:
        """Of the matrix: length of the reduction."""
        return self.codes.matrix.shape[1]


def sparse_jobs(graph: Graph, op: IntegerOp, config: ArchConfig) -> list[SparseJob]:
    """The jobs of ``op`` on the sparse engine, in order; the same ones as long as graph and operator are.

    Raises:
        UnfitError: the operator, or its weights, are not for this engine.

    """
    known = _KNOWN.setdefault(graph, {})
    key = (op.name, config.sparse)
    if key not in known or known[key][0] is not op:
        known[key] = (op, _jobs(graph, op, config.sparse))
    return known[key][1]


# A network is planned more than once, and to compress its weights takes longer than all else.
_KNOWN: WeakKeyDictionary[Graph, dict[tuple[str, SparseConfig], tuple[IntegerOp, list[SparseJob]]]] = (
    WeakKeyDictionary()
)


def _jobs(graph: Graph, op: IntegerOp, sparse: SparseConfig) -> list[SparseJob]:
    match op:
        case Conv():
            return [_job(graph, op, _conv_name(op, hwc_shape(graph, op.output)), sparse)]
        case Pool() if op.kind is not PoolKind.MAX:
            job = _job(graph, _sum(op, hwc_shape(graph, op.inputs[0])), f"{op.kind.value}pool", sparse)
            return [replace(job, macs=0)]
        case Add():
            conv = _copy(op, op.inputs, _ones(hwc_shape(graph, op.output)[2]), op.residual)
            return [replace(_job(graph, conv, "add", sparse), macs=0)]
        case Permute():
            picks = np.zeros((1, 1, hwc_shape(graph, op.inputs[0])[2], len(op.channels)), np.int16)
            picks[0, 0, list(op.channels), np.arange(len(op.channels))] = 1
            return [replace(_job(graph, _copy(op, op.inputs, picks), "permute", sparse), macs=0)]
        case Concat():
            return _concat(graph, op, sparse)
        case Pool():
            raise UnfitError("the sparse engine has no maximum")
        case _:
            raise UnfitError(f"the sparse engine has no {type(op).__name__}")


def _conv_name(op: Conv, out_shape: tuple[int, int, int]) -> str:
    kernel_h, kernel_w, depth, _ = op.weights.shape
    if op.groups > 1 and depth == 1:
        return "depthwise"
    return "conv" if kernel_h * kernel_w > 1 or out_shape[0] > 1 else "dense"


def _ones(channels: int) -> NDArray[np.int16]:
    """The unit matrix: ``[1, 1, channels, channels]``."""
    return np.eye(channels, dtype=np.int16)[None, None]


def _copy(op: IntegerOp, inputs: tuple[str, ...], weights: NDArray[np.int16], residual: Residual | None = None) -> Conv:
    """``op`` as a convolution that neither shifts nor scales."""
    return Conv(
        name=op.name,
        inputs=inputs,
        output=op.output,
        weights=weights,
        bias=np.zeros(weights.shape[3], np.int32),
        input_zero_point=0,
        requantize=Requantize(_UNIT_SCALE, 0),
        residual=residual,
    )


def _sum(op: Pool, in_shape: tuple[int, int, int]) -> Conv:
    """An average pool as a depthwise convolution; the requantiser divides."""
    kernel = in_shape[:2] if op.kind is PoolKind.GLOBAL else op.kernel
    return Conv(
        name=op.name,
        inputs=op.inputs,
        output=op.output,
        weights=np.ones((*kernel, 1, in_shape[2]), np.int16),
        bias=np.zeros(in_shape[2], np.int32),
        input_zero_point=op.input_zero_point,
        requantize=op.requantize,
        strides=op.strides,
        pads=op.pads,
        groups=in_shape[2],
    )


def _concat(graph: Graph, op: Concat, sparse: SparseConfig) -> list[SparseJob]:
    jobs, channel = [], 0
    for number, tensor in enumerate(op.inputs):
        depth = hwc_shape(graph, tensor)[2]
        job = _job(graph, _copy(op, (tensor,), _ones(depth)), "concat", sparse)
        jobs.append(replace(job, name=f"{op.name}[{number}]", channel_offset=channel, macs=0))
        channel += depth
    return jobs


def _job(graph: Graph, op: Conv, name: str, sparse: SparseConfig) -> SparseJob:
    in_shape, (height, width, _) = hwc_shape(graph, op.inputs[0]), hwc_shape(graph, op.output)
    kernel_h, kernel_w, depth, filters = op.weights.shape
    if max(kernel_h, kernel_w) > _MAX_TAPS:
        raise UnfitError(f"a kernel of {kernel_h}x{kernel_w} exceeds {_MAX_TAPS} taps along an axis")
    check_scale(op.name, op.requantize.scale)
    codes = codes_of(op, in_shape[2], sparse)
    rule = op.requantize
    scale = np.broadcast_to(rule.scale, op.bias.shape)
    return SparseJob(
        name=op.name,
        op=name,
        source=op.inputs[0],
        target=op.output,
        in_shape=in_shape,
        out_shape=(height, width, filters),
        kernel=((kernel_h - 1) * op.dilations[0] + 1, (kernel_w - 1) * op.dilations[1] + 1),
        strides=op.strides,
        pads=(op.pads[0], op.pads[1]),
        fill=op.input_zero_point,
        tiles=(),
        constants=constants(rule.zero_point, rule.low, rule.high, op.residual),
        macs=height * width * filters * kernel_h * kernel_w * depth,
        skip=op.residual.tensor if op.residual else None,
        codes=codes,
        taps=(kernel_h, kernel_w),
        dilations=op.dilations,
        make_params=functools.partial(channel_params, op.bias.astype(np.int64), scale),
        compress=functools.cache(functools.partial(_compress, codes.matrix, sparse)),
    )


def _compress(matrix: NDArray[np.uint8], sparse: SparseConfig, first: int, last: int) -> Compressed:
    return encode(matrix[first:last], sparse)
