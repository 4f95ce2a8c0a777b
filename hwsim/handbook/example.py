"""The worked example of the page on timing: a small program, and its cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.reference.markdown import table
from rtl import isa
from rtl.config import load_arch
from rtl.timing import program_schedule

if TYPE_CHECKING:
    from rtl.control.timing import Schedule

__all__ = ["EXAMPLE", "example", "example_schedule"]

_ARCH = "dense-8x8"
EXAMPLE: tuple[isa.Instruction, ...] = (
    isa.PostConfig(zero_point=0, low=-128, high=127),
    isa.Load(space=isa.Space.IFM, dram=0, spad=0, rows=1, row_bytes=128, dram_stride=0, spad_stride=0),
    isa.Load(
        space=isa.Space.WEIGHT, dram=256, spad=0, rows=1, row_bytes=64, dram_stride=0, spad_stride=0,
        signal=1 << isa.Engine.COMPUTE,
    ),
    isa.Compute(
        source=isa.Space.IFM, act=0, out_w=4, out_h=4, x_stride=8, y_stride=32, run=8, kx=1, kx_stride=0, ky=1,
        ky_stride=0, weight=0, filters=8, acc=0, op=isa.AccumulateOp.SET, flatten=0, depthwise=0, reuse_weights=0,
        hold=0, chain=1,
        wait=1 << isa.Engine.LOAD, signal=1 << isa.Engine.POST,
    ),
    isa.Load(
        space=isa.Space.PARAM, dram=512, spad=0, rows=1, row_bytes=64, dram_stride=0, spad_stride=0,
        signal=1 << isa.Engine.POST,
    ),
    isa.Post(
        acc=0, out_w=4, out_h=4, ofm=0, x_stride=8, y_stride=32, filters=8, load_params=1, params=0, residual=0,
        skip_source=isa.Space.IFM, skip=0, skip_x_stride=0, skip_y_stride=0,
        wait=1 << isa.Engine.LOAD | 1 << isa.Engine.COMPUTE, signal=1 << isa.Engine.STORE,
    ),
    isa.Store(spad=0, rows=1, row_bytes=128, spad_stride=0, dram=1024, dram_stride=0, wait=1 << isa.Engine.POST),
    isa.End(),
)  # fmt: skip
"""A 1x1 convolution of 4x4 pixels from 8 channels to 8: the example of the page on timing."""


def example_schedule() -> Schedule:
    """The cycles of :data:`EXAMPLE` on ``dense-8x8``."""
    return program_schedule(load_arch(_ARCH), EXAMPLE, address=0).schedule


def example() -> str:
    """The worked example as a table: a part of a page, not one."""
    out = example_schedule()
    rows = []
    for k, instruction in enumerate(EXAMPLE[:-1]):
        tokens = [f"waits for {e.name}" for e in isa.Engine if instruction.wait >> e & 1]
        tokens += [
            f"signals {e.name}" + (" early" if instruction.early >> e & 1 else "")
            for e in isa.Engine
            if instruction.signal >> e & 1
        ]
        kind = type(instruction).__name__
        what = f"{kind} {_space(instruction)}".strip()
        rows.append((k, what, "; ".join(tokens), out.dispatch[k], out.issue[k], out.retire[k]))
    listed = table(("k", "instruction", "tokens", "dispatch", "issue", "retire"), rows)
    return f"{listed}\nThe program takes **{out.cycles}** cycles.\n"


def _space(instruction: isa.Instruction) -> str:
    return isa.Space(instruction.space).name if isinstance(instruction, isa.Load) else ""
