"""When each engine did what, as a trace for https://ui.perfetto.dev or chrome://tracing.

::

    LOAD    ██conv1████  ██conv2███████
    COMPUTE       ▒▒██conv1███▒▒▒██conv2██████
    POST                   ██conv1   ██conv2
    STORE                     █conv1     █conv2

One slice per instruction, from its issue to its retirement, named by its layer. Trace viewers count microseconds; the
slices' true cycles are in their arguments. An engine starts an instruction while the last one drains, so the slices of
one engine can overlap: an engine has as many tracks as that takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwsim.report.names import short_names
from rtl.isa import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.program.program import Program, Segment
    from hwsim.cycles import ProgramCycles, SegmentCycles

__all__ = ["timeline"]

_PROCESS = 1
_TRACKS = 16
"""Track numbers that each engine has to itself."""
_LAYERS = 0
"""Track of the layers; an engine's begin at a multiple of :data:`_TRACKS`."""

Event = dict[str, Any]


def timeline(program: Program, cycles: ProgramCycles, *, model: str, arch: str, clock_mhz: float) -> dict[str, Any]:
    """Trace Event Format: the ``cycles`` that ``program`` takes, segments one after the other."""
    names = short_names([layer.name for layer in program.layers])
    events: list[Event] = []
    used = {_LAYERS: "layers"}
    start = 0
    for segment, timed in zip(program.segments, cycles.segments, strict=True):
        events += _layer_slices(timed, names, start, clock_mhz)
        events += _instruction_slices(program, segment, timed, names, start, clock_mhz, used)
        start += timed.cycles
    return {
        "displayTimeUnit": "ns",
        "otherData": {"model": model, "arch": arch, "clock_mhz": clock_mhz, "cycles": start},
        "traceEvents": [_named("process_name", 0, f"{model} on {arch}"), *_track_names(used), *events],
    }


def _layer_slices(timed: SegmentCycles, names: tuple[str, ...], start: int, clock_mhz: float) -> Iterator[Event]:
    """Which layer's turn it is: from the last retirement of those before to its own."""
    from hwsim.cycles import layer_cycles

    at = start
    for layer, spent in enumerate(layer_cycles(timed.last_retire, timed.cycles).tolist()):
        if spent:
            yield _slice(names[layer], _LAYERS, at, spent, clock_mhz, {"layer": layer, "cycles": spent})
        at += spent


def _instruction_slices(
    program: Program,
    segment: Segment,
    timed: SegmentCycles,
    names: tuple[str, ...],
    start: int,
    clock_mhz: float,
    used: dict[int, str],
) -> Iterator[Event]:
    free: dict[Engine, list[int]] = {engine: [] for engine in Engine}
    for number, (instruction, issue, retire) in enumerate(
        zip(segment.instructions, timed.issue, timed.retire, strict=False)
    ):
        engine = instruction.ENGINE
        if engine is None:
            continue
        lane = _lane(free[engine], issue, retire)
        track = (int(engine) + 1) * _TRACKS + lane
        used.setdefault(track, engine.name if lane == 0 else f"{engine.name} (overlapping)")
        arguments = {
            "instruction": number,
            "kind": type(instruction).__name__,
            "layer": program.layers[instruction.layer].name,
            "issue_cycle": start + issue,
            "retire_cycle": start + retire,
        }
        # The cycle of the retirement is the engine's too, but the next instruction may start in it.
        yield _slice(names[instruction.layer], track, start + issue, max(retire - issue, 1), clock_mhz, arguments)


def _lane(free: list[int], issue: int, retire: int) -> int:
    """The first track of an engine that is free at ``issue``; ``free`` holds when each will be."""
    for lane, until in enumerate(free):
        if until <= issue or lane == _TRACKS - 1:
            free[lane] = retire
            return lane
    free.append(retire)
    return len(free) - 1


def _slice(name: str, track: int, cycle: int, cycles: int, clock_mhz: float, arguments: Event) -> Event:
    return {
        "ph": "X",
        "pid": _PROCESS,
        "tid": track,
        "name": name,
        "ts": cycle / clock_mhz,
        "dur": cycles / clock_mhz,
        "args": arguments,
    }


def _track_names(used: dict[int, str]) -> Iterator[Event]:
    for track, name in sorted(used.items()):
        yield _named("thread_name", track, name)
        yield {"ph": "M", "pid": _PROCESS, "tid": track, "name": "thread_sort_index", "args": {"sort_index": track}}


def _named(kind: str, track: int, name: str) -> Event:
    return {"ph": "M", "pid": _PROCESS, "tid": track, "name": kind, "args": {"name": name}}
