"""What a program means: the instruction set in numpy, instruction by instruction, without timing.

It runs a compiled program to the same bytes as the RTL, thousands of times faster, and so tells a fault of the
compiler (its result differs from the reference interpreter) from one of the hardware (the RTL differs from this).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.numerics import requantize
from hwsim.sparse_machine import DecodedMatrices, SparseMachine, walk
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
    Sparse,
    SparsePost,
    Store,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from rtl.config import ArchConfig
    from rtl.sparse.work import SparseWork

__all__ = ["Machine"]


class Machine:
    """Scratchpads, accumulators and DRAM of one accelerator.

    ``dram`` is a uint8 array that stands for the DRAM window; STORE writes into it. Machines that run the same layers
    may share what they ``decoded``.
    """

    def __init__(self, config: ArchConfig, dram: NDArray[np.uint8], decoded: DecodedMatrices | None = None) -> None:
        kib = config.memory
        cols = config.dense_engine.cols if config.dense_engine else 0
        self.dram = dram
        self.spad = {
            Space.IFM: np.zeros(kib.ifm_kib * 1024, np.uint8),
            Space.OFM: np.zeros(kib.ofm_kib * 1024, np.uint8),
            Space.WEIGHT: np.zeros(kib.weight_kib * 1024, np.uint8),
            Space.PARAM: np.zeros(kib.param_kib * 1024, np.uint8),
        }
        self.acc = np.zeros((2 * kib.accumulators, cols), np.int32)
        self.constants = PostConfig(zero_point=0, low=-128, high=127)
        self._bias = np.zeros(cols, np.int64)
        self._mantissa = np.zeros(cols, np.int64)
        self._shift = np.zeros(cols, np.int64)
        self.sparse = SparseMachine(config, decoded) if config.sparse_engine else None
        if self.sparse is not None:
            self.spad |= self.sparse.spad

    def run(self, program: Iterable[Instruction]) -> None:
        """Run ``program`` in order."""
        for instruction in program:
            self.step(instruction)

    def works(self, program: Iterable[Instruction]) -> Iterator[SparseWork]:
        """Run ``program`` in order, and yield what decides the time of each SPARSE."""
        for instruction in program:
            work = self.step(instruction)
            if work is not None:
                yield work

    def step(self, i: Instruction) -> SparseWork | None:
        """Run one instruction.

        Raises:
            IndexError: an address outside its memory.

        """
        match i:
            case Load():
                self._load(i)
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
            case Sparse():
                return self._sparse().multiply(i, self.spad[Space(i.source)].view(np.int8))
            case SparsePost():
                self._sparse_post(i)
            case _:
                pass
        return None

    def _sparse(self) -> SparseMachine:
        if self.sparse is None:
            raise LookupError("the accelerator has no sparse engine")
        return self.sparse

    def _load(self, i: Load) -> None:
        target = self.spad[Space(i.space)]
        if i.rows == 1 and i.spad + i.row_bytes <= target.size and i.dram + i.row_bytes <= self.dram.size:
            target[i.spad : i.spad + i.row_bytes] = self.dram[i.dram : i.dram + i.row_bytes]
        else:
            rows = _rows(i.dram, i.rows, i.row_bytes, i.dram_stride)
            target[_rows(i.spad, i.rows, i.row_bytes, i.spad_stride)] = self.dram[rows]
        if i.space >= Space.SPMAT:
            self._sparse().loaded()

    def _compute(self, i: Compute) -> None:
        spad = self.spad[Space(i.source)].view(np.int8)
        pixels = i.act + walk(i.out_h, i.y_stride, i.out_w, i.x_stride * (i.kx_stride if i.depthwise else 1))
        if i.depthwise:
            taps = walk(i.ky, i.ky_stride, i.kx, i.x_stride)
            acts = spad[pixels[:, None, None] + taps[:, None] + np.arange(i.run)].astype(np.int32)
            weights = self._weights(i, i.kx * i.ky)
            parts = np.einsum("mkc,kc->mc", acts, weights, dtype=np.int64)
            self._accumulate(i, [parts])
            return
        offsets = (walk(i.ky, i.ky_stride, i.kx, i.kx_stride)[:, None] + np.arange(i.run)).ravel()
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
            planes = self.spad[Space.PARAM][at].reshape(PARAM_BYTES, i.filters).T
            held = slice(None, i.filters)
            self._bias[held], self._mantissa[held], self._shift[held] = _parameters(planes)
        n = slice(None, i.filters)
        acc = self.acc[i.acc : i.acc + i.out_w * i.out_h, n]
        self._requantize(i, acc, self._bias[n], self._mantissa[n], self._shift[n])

    def _sparse_post(self, i: SparsePost) -> None:
        at = i.params + np.arange(PARAM_BYTES * i.channels)
        params = self.spad[Space.PARAM][at].reshape(i.channels, PARAM_BYTES)
        acc = self._sparse().drain(i.acc, i.acc_stride, i.out_w * i.out_h, i.channels)
        self._requantize(i, acc, *_parameters(params))

    def _requantize(
        self,
        i: Post | SparsePost,
        acc: NDArray[np.int32],
        bias: NDArray[np.int64],
        mantissa: NDArray[np.int64],
        shift: NDArray[np.int64],
    ) -> None:
        """The output stage: ``acc`` ``[vectors, channels]`` to bytes of OFM."""
        c = self.constants
        total = (acc.astype(np.int64) + bias).astype(np.int32)
        q = requantize(total, mantissa, shift, c.zero_point, c.low, c.high)
        channels = np.arange(acc.shape[1])
        if i.residual:
            at = i.skip + walk(i.out_h, i.skip_y_stride, i.out_w, i.skip_x_stride)
            skip = self.spad[Space(i.skip_source)].view(np.int8)[at[:, None] + channels]
            total = q.astype(np.int64) * c.main + skip.astype(np.int64) * c.skip + c.offset
            q = np.clip(total >> c.shift, c.residual_low, c.residual_high).astype(np.int8)
        at = i.ofm + walk(i.out_h, i.y_stride, i.out_w, i.x_stride)
        self.spad[Space.OFM].view(np.int8)[at[:, None] + channels] = q


def _parameters(params: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Bias, mantissa and shift of each channel, of bytes ``[channels, PARAM_BYTES]``."""
    bias = np.ascontiguousarray(params[:, :4]).view("<i4")[:, 0].astype(np.int64)
    mantissa = np.zeros((len(params), 4), np.uint8)
    mantissa[:, :3] = params[:, 4:7]
    return bias, mantissa.view("<u4")[:, 0].astype(np.int64), params[:, 7].astype(np.int64)


def _rows(base: int, rows: int, row_bytes: int, stride: int) -> NDArray[np.int64]:
    return base + np.arange(rows)[:, None] * stride + np.arange(row_bytes)
