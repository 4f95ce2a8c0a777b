"""What the mapper chose for a layer, in words: where its tensors are, and what stays on the chip for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.mapping.plan import Plan
    from rtl.config import ArchConfig

__all__ = ["CHOICES", "choices_of"]

CHOICES = frozenset({
    "input from DRAM", "input resident in OFM", "input kept in IFM",
    "residual from DRAM", "residual resident in OFM", "residual kept in IFM",
    "output resident at the low end of OFM", "output resident at the high end of OFM", "output through the ring",
    "output resident and stored",
    "weights held over patches", "weights loaded for every patch", "input held over groups", "one group", "groups",
    "parameters held",
})  # fmt: skip
"""Every one that any accelerator with an array can be made to take."""


def choices_of(plan: Plan, config: ArchConfig) -> Iterator[str]:
    """The choices that ``plan`` stands for, some of :data:`CHOICES` and, where few parameters fit, one more."""
    if plan.kept_input:
        yield "input kept in IFM"
    else:
        yield "input from DRAM" if plan.source is None else "input resident in OFM"
    if plan.kept_skip:
        yield "residual kept in IFM"
    elif plan.job.skip is not None:
        yield "residual from DRAM" if plan.skip is None else "residual resident in OFM"
    yield from _output(plan, config)
    yield "weights held over patches" if plan.hold_weights else "weights loaded for every patch"
    if plan.hold_input:
        yield "input held over groups"
    yield "groups" if len(plan.groups) > 1 else "one group"
    yield "parameters held" if plan.hold_params else "parameters loaded again"


def _output(plan: Plan, config: ArchConfig) -> Iterator[str]:
    if plan.target is None:
        yield "output through the ring"
        return
    if plan.target.block.start == 0:
        yield "output resident at the low end of OFM"
    elif plan.target.block.stop == config.memory.ofm_kib * 1024:
        yield "output resident at the high end of OFM"
    if plan.stores:
        yield "output resident and stored"
