"""The whole accelerator's timing and events: the closed forms of its units, put together as its RTL is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtl.control.timing import Schedule, schedule
from rtl.dense.timing import PostTiming, compute_events, compute_timing, post_events
from rtl.dma.timing import LoadTiming, StoreTiming
from rtl.dma.timing_fetch import FetchTiming
from rtl.isa import Compute, Engine, Fill, Instruction, Load, Post, PostConfig, PostFill, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtl.config import ArchConfig

__all__ = ["Events", "program_schedule"]


def program_schedule(config: ArchConfig, program: Sequence[Instruction], address: int) -> Schedule:
    """When every instruction of ``program``, at byte ``address`` of memory and ended by END, runs on ``config``.

    Raises:
        DeadlockError: the program comes to a stop.
        ValueError: no END.
    """
    return schedule(
        program,
        fetch=FetchTiming(config, len(program), program=address, start=0),
        engines={
            Engine.LOAD: LoadTiming(config),
            Engine.COMPUTE: compute_timing(config),
            Engine.POST: PostTiming(config),
            Engine.STORE: StoreTiming(config),
        },
        queue_depth=config.control.queue_depth,
    )


class Events:
    """What instructions add to the counters of ``config``, stalls apart."""

    def __init__(self, config: ArchConfig) -> None:
        self._config = config
        self._load = LoadTiming(config)
        self._store = StoreTiming(config)

    def of(self, instruction: Instruction) -> dict[str, int]:
        """Events of one instruction, by counter."""
        match instruction:
            case Load() | Fill():
                return self._load.events(instruction)
            case Compute():
                return compute_events(instruction, self._config)
            case Post() | PostConfig() | PostFill():
                return post_events(instruction)
            case Store():
                return self._store.events(instruction)
            case _:
                return {}
