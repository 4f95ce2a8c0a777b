"""Which bytes an instruction really touches: from its fields alone, as the instruction set defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.program.hazards import Memory
from rtl.isa import PARAM_BYTES, Compute, Fill, Instruction, Load, Post, PostConfig, PostFill, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtl.config import ArchConfig

__all__ = ["footprint", "memory_sizes"]

Touched = dict[int, "NDArray[np.int64]"]


def memory_sizes(config: ArchConfig, dram_bytes: int) -> dict[int, int]:
    """Addresses of each memory. A half of the accumulators counts as one: it has one read port."""
    m = config.memory
    return {
        Memory.IFM: m.ifm_kib * 1024,
        Memory.OFM: m.ofm_kib * 1024,
        Memory.WEIGHT: m.weight_kib * 1024,
        Memory.PARAM: m.param_kib * 1024,
        Memory.ACCUMULATOR: 2,
        Memory.DRAM: dram_bytes,
    }


def footprint(i: Instruction, config: ArchConfig) -> tuple[Touched, Touched]:
    """Addresses read and written, by memory."""
    half = np.array([getattr(i, "acc", 0) // config.memory.accumulators])
    match i:
        case Load():
            return {Memory.DRAM: _rows(i.dram, i, i.dram_stride)}, {i.space: _rows(i.spad, i, i.spad_stride)}
        case Fill():
            return {}, {Memory.IFM: _rows(i.spad, i, i.spad_stride)}
        case PostFill():
            return {}, {Memory.OFM: _rows(i.spad, i, i.spad_stride)}
        case Store():
            return {Memory.OFM: _rows(i.spad, i, i.spad_stride)}, {Memory.DRAM: _rows(i.dram, i, i.dram_stride)}
        case Compute():
            return {i.source: _activations(i), Memory.WEIGHT: _weights(i)}, {Memory.ACCUMULATOR: half}
        case Post():
            return _post(i, half)
        case PostConfig():
            return {}, {}
        case _:
            raise TypeError(type(i).__name__)


def _sum(*axes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every sum of one element of each axis."""
    total = np.zeros(1, np.int64)
    for axis in axes:
        total = np.unique(total[:, None] + axis)
    return total


def _rows(base: int, i: Load | Fill | PostFill | Store, stride: int) -> NDArray[np.int64]:
    return base + _sum(np.arange(i.rows) * stride, np.arange(i.row_bytes))


def _activations(i: Compute) -> NDArray[np.int64]:
    if i.depthwise:
        # Every input pixel between the first and the last is streamed, whether a kernel wants it or not.
        across = np.arange((i.out_w - 1) * i.kx_stride + i.kx) * i.x_stride
    else:
        across = _sum(np.arange(i.out_w) * i.x_stride, np.arange(i.kx) * i.kx_stride)
    down = _sum(np.arange(i.out_h) * i.y_stride, np.arange(i.ky) * i.ky_stride)
    return i.act + _sum(across, down, np.arange(i.run))


def _weights(i: Compute) -> NDArray[np.int64]:
    rows = i.kx * i.ky if i.depthwise else i.run if i.reuse_weights else i.run * i.kx * i.ky
    return i.weight + np.arange(rows * i.filters)


def _post(i: Post, half: NDArray[np.int64]) -> tuple[Touched, Touched]:
    reads: Touched = {Memory.ACCUMULATOR: half}
    channels = np.arange(i.filters)
    if i.load_params:
        reads[Memory.PARAM] = i.params + np.arange(PARAM_BYTES * i.filters)
    if i.residual:
        walk = _sum(np.arange(i.out_w) * i.skip_x_stride, np.arange(i.out_h) * i.skip_y_stride, channels)
        reads[i.skip_source] = i.skip + walk
    written = i.ofm + _sum(np.arange(i.out_w) * i.x_stride, np.arange(i.out_h) * i.y_stride, channels)
    return reads, {Memory.OFM: written}
