"""What a program means: the instruction set in numpy, instruction by instruction, without timing.

It runs a compiled program to the same bytes as the RTL, thousands of times faster, and so tells a fault of the
compiler (its result differs from the reference interpreter) from one of the hardware (the RTL differs from this).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.numerics import requantize
from rtl.isa import (
    PARAM_BYTES,
    AccumulateOp,
    Compute,
    Fill,
    Instruction,
    Load,
    Post,
    PostConfig,
    PostFill,
    Space,
    Store,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from rtl.config import ArchConfig

__all__ = ["Machine"]


class Machine:
    """Scratchpads, accumulators and DRAM of one accelerator.

    ``dram`` is a uint8 array that stands for the DRAM window; STORE writes into it.
    """

    def __init__(self, config: ArchConfig, dram: NDArray[np.uint8]) -> None:
        kib = config.memory
        self.dram = dram
        self.spad = {
            Space.IFM: np.zeros(kib.ifm_kib * 1024, np.uint8),
            Space.OFM: np.zeros(kib.ofm_kib * 1024, np.uint8),
            Space.WEIGHT: np.zeros(kib.weight_kib * 1024, np.uint8),
            Space.PARAM: np.zeros(kib.param_kib * 1024, np.uint8),
        }
        self.acc = np.zeros((2 * kib.accumulators, config.dense.cols), np.int32)
        self.constants = PostConfig(zero_point=0, low=-128, high=127)
        self._bias = np.zeros(config.dense.cols, np.int64)
        self._mantissa = np.zeros(config.dense.cols, np.int64)
        self._shift = np.zeros(config.dense.cols, np.int64)

    def run(self, program: Iterable[Instruction]) -> None:
        """Run ``program`` in order."""
        for instruction in program:
            self.step(instruction)

    def step(self, i: Instruction) -> None:
        """Run one instruction.

        Raises:
            IndexError: an address outside its memory.

        """
        match i:
            case Load():
                rows = _rows(i.dram, i.rows, i.row_bytes, i.dram_stride)
                self.spad[Space(i.space)][_rows(i.spad, i.rows, i.row_bytes, i.spad_stride)] = self.dram[rows]
            case Fill():
                self.spad[Space.IFM][_rows(i.spad, i.rows, i.row_bytes, i.spad_stride)] = i.value & 0xFF
            case PostFill():
                self.spad[Space.OFM][_rows(i.spad, i.rows, i.row_bytes, i.spad_stride)] = i.value & 0xFF
            case Store():
                rows = _rows(i.spad, i.rows, i.row_bytes, i.spad_stride)
                self.dram[_rows(i.dram, i.rows, i.row_bytes, i.dram_stride)] = self.spad[Space.OFM][rows]
            case PostConfig():
                self.constants = i
            case Compute():
                self._compute(i)
            case Post():
                self._post(i)
            case _:
                return

    def _compute(self, i: Compute) -> None:
        spad = self.spad[Space(i.source)].view(np.int8)
        pixels = i.act + _grid(i.out_h, i.y_stride, i.out_w, i.x_stride * (i.kx_stride if i.depthwise else 1))
        if i.depthwise:
            taps = _grid(i.ky, i.ky_stride, i.kx, i.x_stride)
            acts = spad[pixels[:, None, None] + taps[:, None] + np.arange(i.run)].astype(np.int32)
            weights = self._weights(i, i.kx * i.ky)
            parts = np.einsum("mkc,kc->mc", acts, weights, dtype=np.int64)
            self._accumulate(i, [parts])
            return
        offsets = (_grid(i.ky, i.ky_stride, i.kx, i.kx_stride)[:, None] + np.arange(i.run)).ravel()
        acts = spad[pixels[:, None] + offsets]
        if i.reuse_weights:
            tile = self._weights(i, i.run).astype(np.int64)
            runs = acts.reshape(len(pixels), i.kx * i.ky, i.run)
            self._accumulate(i, [runs[:, t].astype(np.int64) @ tile for t in range(i.kx * i.ky)])
            return
        total = acts.astype(np.float64) @ self._weights(i, len(offsets)).astype(np.float64)
        self._accumulate(i, [total.astype(np.int64)])

    def _weights(self, i: Compute, rows: int) -> NDArray[np.int8]:
        at = i.weight + np.arange(rows * i.filters)
        return self.spad[Space.WEIGHT].view(np.int8)[at].reshape(rows, i.filters)

    def _accumulate(self, i: Compute, parts: list[NDArray[np.int64]]) -> None:
        """Add the ``parts`` of the reduction, each ``[pixels, filters]``, one after the other."""
        if i.op == AccumulateOp.MAX:
            total = np.max(parts, axis=0)
            total = total.max(axis=0, keepdims=True) if i.hold else total
        else:
            total = np.sum(parts, axis=0)
            total = total.sum(axis=0, keepdims=True) if i.hold else total
        at = self.acc[i.acc : i.acc + len(total), : i.filters]
        if i.op == AccumulateOp.ADD:
            total = total + at
        at[:] = total.astype(np.int32)

    def _post(self, i: Post) -> None:
        if i.load_params:
            at = i.params + np.arange(PARAM_BYTES * i.filters)
            params = self.spad[Space.PARAM][at].reshape(PARAM_BYTES, i.filters).T.copy()
            self._bias[: i.filters] = params[:, :4].copy().view("<i4")[:, 0]
            mantissa = np.zeros((i.filters, 4), np.uint8)
            mantissa[:, :3] = params[:, 4:7]
            self._mantissa[: i.filters] = mantissa.view("<u4")[:, 0]
            self._shift[: i.filters] = params[:, 7]
        c = self.constants
        n = slice(None, i.filters)
        acc = self.acc[i.acc : i.acc + i.out_w * i.out_h, n].astype(np.int64) + self._bias[n]
        acc = acc.astype(np.int32)
        q = requantize(acc, self._mantissa[n], self._shift[n], c.zero_point, c.low, c.high)
        channels = np.arange(i.filters)
        if i.residual:
            at = i.skip + _grid(i.out_h, i.skip_y_stride, i.out_w, i.skip_x_stride)
            skip = self.spad[Space(i.skip_source)].view(np.int8)[at[:, None] + channels]
            total = q.astype(np.int64) * c.main + skip.astype(np.int64) * c.skip + c.offset
            q = np.clip(total >> c.shift, c.residual_low, c.residual_high).astype(np.int8)
        at = i.ofm + _grid(i.out_h, i.y_stride, i.out_w, i.x_stride)
        self.spad[Space.OFM].view(np.int8)[at[:, None] + channels] = q


def _grid(rows: int, row_stride: int, cols: int, col_stride: int) -> NDArray[np.int64]:
    """Byte offsets of a 2-D walk, row by row, flat."""
    return (np.arange(rows)[:, None] * row_stride + np.arange(cols) * col_stride).ravel()


def _rows(base: int, rows: int, row_bytes: int, stride: int) -> NDArray[np.int64]:
    return base + np.arange(rows)[:, None] * stride + np.arange(row_bytes)
