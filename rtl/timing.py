"""The whole accelerator's timing and events: the closed forms of its units, put together as its RTL is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtl.compute.timing import engine_timing
from rtl.control.timing import Schedule, schedule
from rtl.dense.timing import compute_events
from rtl.dma.timing import LoadTiming, StoreTiming
from rtl.dma.timing_fetch import FetchTiming
from rtl.isa import Compute, Engine, Fill, Instruction, Load, Post, PostConfig, PostFill, Sparse, SparsePost, Store
from rtl.post.timing import PostTiming, post_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rtl.config import ArchConfig
    from rtl.sparse.work import SparseWork

__all__ = ["Events", "ProgramSchedule", "program_schedule"]


@dataclass(frozen=True, slots=True)
class ProgramSchedule:
    """A program's cycles, and those events that only its data decide."""

    schedule: Schedule
    sparse: tuple[dict[str, int], ...]
    """Events of every SPARSE, in program order."""


def program_schedule(
    config: ArchConfig, program: Sequence[Instruction], address: int, works: Iterable[SparseWork] = ()
) -> ProgramSchedule:
    """When every instruction of ``program``, at byte ``address`` of memory and ended by END, runs on ``config``.

    ``works`` are those of its SPARSE instructions, in program order; they are asked for one at a time.

    Raises:
        DeadlockError: the program comes to a stop.
        ValueError: no END, or a work is missing or is that of another instruction.
    """
    compute, sparse = engine_timing(config, works)
    out = schedule(
        program,
        fetch=FetchTiming(config, len(program), program=address, start=0),
        engines={
            Engine.LOAD: LoadTiming(config),
            Engine.COMPUTE: compute,
            Engine.POST: PostTiming(config),
            Engine.STORE: StoreTiming(config),
        },
        queue_depth=config.control.queue_depth,
    )
    return ProgramSchedule(out, tuple(sparse.events) if sparse else ())


class Events:
    """What instructions add to the counters of ``config``, stalls apart.

    ``sparse`` are the events of the SPARSE instructions that will be asked for, in that order.
    """

    def __init__(self, config: ArchConfig, sparse: Sequence[dict[str, int]] = ()) -> None:
        self._config = config
        self._load = LoadTiming(config)
        self._store = StoreTiming(config)
        self._sparse = iter(sparse)

    def of(self, instruction: Instruction) -> dict[str, int]:
        """Events of one instruction, by counter."""
        match instruction:
            case Load() | Fill():
                return self._load.events(instruction)
            case Compute():
                return compute_events(instruction, self._config)
            case Sparse():
                return next(self._sparse)
            case Post() | SparsePost() | PostConfig() | PostFill():
                return post_events(instruction)
            case Store():
                return self._store.events(instruction)
            case _:
                return {}
