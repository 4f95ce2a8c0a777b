"""The cycle model: when every instruction of a program runs, and what it does to the counters.

It executes the program's timing, not its data: a max-plus recursion over instructions, in which each engine's part is
the closed form that stands beside its RTL. It equals the RTL to the cycle and to the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtl.counters import COUNTERS, stall_name
from rtl.isa import ENGINE_COUNT
from rtl.timing import Events, program_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from compiler.program.program import Program, Segment
    from rtl.config import ArchConfig
    from rtl.sparse.work import SparseWork

__all__ = ["ProgramCycles", "SegmentCycles", "layer_cycles", "program_cycles", "segment_cycles"]

_INDEX = {counter.name: index for index, counter in enumerate(COUNTERS)}


@dataclass(frozen=True, slots=True, eq=False)
class SegmentCycles:
    """A segment's cycles and events."""

    cycles: int
    """From start to done."""
    counters: NDArray[np.int64]
    """``[layers, counters]``, in the order of :data:`rtl.counters.COUNTERS`."""
    last_retire: NDArray[np.int64]
    """``[layers, engines]``: cycle of each engine's last retirement for the layer; 0 for none."""
    issue: tuple[int, ...]
    """Cycle of each instruction's issue, END left out."""
    retire: tuple[int, ...]
    """Cycle of each instruction's retirement."""


@dataclass(frozen=True, slots=True, eq=False)
class ProgramCycles:
    """A whole program's."""

    segments: tuple[SegmentCycles, ...]
    layers: NDArray[np.int64]
    """``[layers]``: cycles from the last retirement of the layers before to its own."""

    @property
    def cycles(self) -> int:
        """Over all segments."""
        return sum(segment.cycles for segment in self.segments)

    @property
    def counters(self) -> NDArray[np.int64]:
        """``[layers, counters]``."""
        return np.sum([segment.counters for segment in self.segments], axis=0)


def program_cycles(
    program: Program, config: ArchConfig, works: Sequence[Iterable[SparseWork]] | None = None
) -> ProgramCycles:
    """Cycles and events of ``program`` on ``config``, whose DRAM may differ from the one it was compiled for.

    ``works`` are those of the SPARSE instructions of each segment (see :func:`hwsim.activity.program_works`): what a
    sparse layer takes depends on its data. None for a program that has no such layers.
    """
    works = [()] * len(program.segments) if works is None else works
    segments = tuple(
        segment_cycles(segment, len(program.layers), config, found)
        for segment, found in zip(program.segments, works, strict=True)
    )
    layers = np.zeros(len(program.layers), np.int64)
    for segment in segments:
        layers += layer_cycles(segment.last_retire, segment.cycles)
    return ProgramCycles(segments, layers)


def segment_cycles(
    segment: Segment, layers: int, config: ArchConfig, works: Iterable[SparseWork] = ()
) -> SegmentCycles:
    """Cycles and events of one segment; ``works`` are those of its SPARSE instructions, in order."""
    found = program_schedule(config, segment.instructions, segment.address, works)
    out, events = found.schedule, Events(config, found.sparse)
    counters = np.zeros((layers, len(COUNTERS)), np.int64)
    for instruction in segment.instructions[:-1]:
        row = counters[instruction.layer]
        for name, count in events.of(instruction).items():
            row[_INDEX[name]] += count
    for (layer, engine, cause), cycles in out.stalls.items():
        counters[layer, _INDEX[stall_name(engine, cause)]] = cycles
    last_retire = np.zeros((layers, ENGINE_COUNT), np.int64)
    for (layer, engine), cycle in out.last_retire.items():
        last_retire[layer, engine] = cycle
    return SegmentCycles(out.cycles, counters, last_retire, tuple(out.issue), tuple(out.retire))


def layer_cycles(last_retire: NDArray[np.int64], cycles: int) -> NDArray[np.int64]:
    """``[layers]``: from the last retirement of the layers before to that of the layer. They sum up to ``cycles``.

    Layers overlap: a layer that ends no later than one before it has 0. What is left at the end is the last one's.
    """
    ends = last_retire.max(axis=1)
    ran = np.flatnonzero(ends)
    if len(ran) == 0:
        return np.zeros(len(ends), np.int64)
    ends[ran[-1]] = cycles
    return np.diff(np.maximum.accumulate(ends), prepend=0)
