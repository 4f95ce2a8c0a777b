"""When every instruction is dispatched, issued and retired: the control plane's cycles, without its gateware.

::

    cycle  0                    the first cycle of the run: the fetcher gets its start pulse
           d(k) = max of        dispatch of instruction k
                    offered(k)         the fetcher has it at its output
                    d(k-1) + 1         one per cycle, in order
                    i(k') + 1          k' is the instruction ``queue_depth`` before k in k's queue
           i(k) = max of        issue: the engine takes it
                    d(k) + 1           at the head of its queue ...
                    i(k'') + 1         ... once the one before it there, k'', has gone
                    ready              the engine can take it
                    r(g) + 1           for every engine it waits for: g is the retire that gave the token,
                                       or the cycle in which a chained COMPUTE gave it ahead of its own
           r(k)                 retire, from the engine's own timing
           c = max of           the cycle in which the run is done: CYCLES reads c + 1
                    offered(END), r(last of each engine) + 1

A stall is a cycle before i(k) in which the instruction is at the head of its queue and its engine is ready. It is
counted for the first engine, in order of :class:`rtl.isa.Engine`, whose token is not there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

from rtl.isa import ENGINE_COUNT, End, Engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rtl.isa import Instruction

__all__ = [
    "DISPATCH_TO_HEAD",
    "ISSUE_TO_HEAD",
    "ISSUE_TO_ROOM",
    "RETIRE_TO_DONE",
    "RETIRE_TO_TOKEN",
    "DeadlockError",
    "EarlyTiming",
    "EngineTiming",
    "FetchTiming",
    "Schedule",
    "schedule",
]

DISPATCH_TO_HEAD = 1
"""From dispatch into an empty queue to the head of it."""
ISSUE_TO_HEAD = 1
"""From the issue of an instruction to the next one at the head of the queue."""
ISSUE_TO_ROOM = 1
"""From an issue out of a full queue to the dispatch of another into it."""
RETIRE_TO_TOKEN = 1
"""From a retire, or from a token given ahead of one, to the issue of what waited for the token."""
RETIRE_TO_DONE = 1
"""From the last retire to the last cycle of the run."""


class DeadlockError(RuntimeError):
    """The program waits for tokens that nobody gives. The hardware stops with ``Fault.DEADLOCK``."""


class FetchTiming(Protocol):
    """When instructions come out of the fetcher."""

    def offered(self, k: int, /) -> int:
        """Cycle in which instruction ``k`` is first offered; every earlier one has been taken."""
        ...

    def taken(self, k: int, cycle: int, /) -> None:
        """Instruction ``k`` is taken in ``cycle``."""
        ...


class EngineTiming(Protocol):
    """When an engine takes instructions, and retires them."""

    def ready(self) -> int:
        """First cycle in which the engine is ready for its next instruction. It stays so until it gets it."""
        ...

    def issue(self, cycle: int, instruction: Any, /) -> int:
        """Cycle in which the instruction, one of this engine's, taken in ``cycle``, retires."""
        ...


class EarlyTiming(EngineTiming, Protocol):
    """An engine, some of whose instructions give tokens before they retire."""

    def early(self) -> int:
        """Cycle in which the instruction issued last gives the tokens of :attr:`rtl.isa.Instruction.early`."""
        ...


@dataclass(slots=True)
class Schedule:
    """The cycles of a program. The lists are in program order, END left out."""

    dispatch: list[int] = field(default_factory=list)
    issue: list[int] = field(default_factory=list)
    retire: list[int] = field(default_factory=list)
    stalls: dict[tuple[int, Engine, Engine], int] = field(default_factory=dict)
    """By layer, engine and cause; those that are zero are left out."""
    last_retire: dict[tuple[int, Engine], int] = field(default_factory=dict)
    """By layer and engine; 0, which no retire can be, for none."""
    cycles: int = 0
    """From start to done, both included: what CYCLES reads."""


def schedule(
    program: Sequence[Instruction],
    *,
    fetch: FetchTiming,
    engines: Mapping[Engine, EngineTiming],
    queue_depth: int,
) -> Schedule:
    """Cycles of ``program``, which ends at its first END.

    Raises:
        DeadlockError: the program comes to a stop.
        ValueError: no END.

    """
    return _Scheduler(program, fetch, engines, queue_depth).run()


class _Scheduler:
    """Works off whatever is determined, engine by engine, until nothing more is.

    Every cycle is a maximum of earlier ones, so the order in which they are found does not matter.
    """

    def __init__(
        self,
        program: Sequence[Instruction],
        fetch: FetchTiming,
        engines: Mapping[Engine, EngineTiming],
        queue_depth: int,
    ) -> None:
        end = next((k for k, instruction in enumerate(program) if isinstance(instruction, End)), None)
        if end is None:
            raise ValueError("the program has no END")
        self._program = program[:end]
        self._fetch = fetch
        self._engines = [engines[e] for e in Engine]
        self._depth = queue_depth
        self._queues: list[deque[int]] = [deque() for _ in Engine]
        # The cycle from which the queue has room: none, one, ... issues ago, as many as the queue is deep.
        self._room: list[deque[int]] = [deque([0] * queue_depth) for _ in Engine]
        self._tokens: list[deque[int]] = [deque() for _ in range(ENGINE_COUNT * ENGINE_COUNT)]
        self._head = [0] * ENGINE_COUNT
        self._out = Schedule(issue=[0] * end, retire=[0] * end)

    def run(self) -> Schedule:
        progress = True
        while progress:
            progress = self._dispatch()
            for engine in range(ENGINE_COUNT):
                progress |= self._issue(engine)
        out = self._out
        if len(out.dispatch) < len(self._program) or any(self._queues):
            stuck = [Engine(e).name for e in range(ENGINE_COUNT) if self._queues[e]]
            first = min(queue[0] for queue in self._queues if queue)
            raise DeadlockError(f"{', '.join(stuck)}: no token comes for what waits, from instruction {first} on")
        last_retire = max(out.retire, default=-RETIRE_TO_DONE)
        out.cycles = max(self._fetch.offered(len(self._program)), last_retire + RETIRE_TO_DONE) + 1
        return out

    def _dispatch(self) -> bool:
        """Dispatch until a queue is full."""
        program, cycles, fetch = self._program, self._out.dispatch, self._fetch
        first = k = len(cycles)
        while k < len(program):
            kind = program[k].ENGINE
            assert kind is not None
            room = self._room[kind]
            if not room:
                break
            cycle = max(fetch.offered(k), cycles[-1] + 1 if cycles else 0, room.popleft())
            fetch.taken(k, cycle)
            cycles.append(cycle)
            self._queues[kind].append(k)
            k += 1
        return k > first

    def _issue(self, e: int) -> bool:
        """Issue to engine ``e`` until its queue is empty or a token is not known to be given."""
        queue, engine, out, tokens = self._queues[e], self._engines[e], self._out, self._tokens
        progress = False
        while queue:
            k = queue[0]
            instruction = self._program[k]
            wait = instruction.wait
            needed = [o for o in range(ENGINE_COUNT) if wait >> o & 1] if wait else ()
            if not all(tokens[o * ENGINE_COUNT + e] for o in needed):
                break
            queue.popleft()
            cycle = max(out.dispatch[k] + DISPATCH_TO_HEAD, self._head[e], engine.ready())
            for other in needed:
                token = tokens[other * ENGINE_COUNT + e].popleft()
                if token > cycle:
                    key = (instruction.layer, Engine(e), Engine(other))
                    out.stalls[key] = out.stalls.get(key, 0) + token - cycle
                    cycle = token
            retire = engine.issue(cycle, instruction)
            out.issue[k], out.retire[k] = cycle, retire
            out.last_retire[instruction.layer, Engine(e)] = retire
            self._head[e] = cycle + ISSUE_TO_HEAD
            self._room[e].append(cycle + ISSUE_TO_ROOM)
            signal = instruction.signal
            if signal:
                for other in range(ENGINE_COUNT):
                    if signal >> other & 1:
                        given = cast("EarlyTiming", engine).early() if instruction.early >> other & 1 else retire
                        tokens[e * ENGINE_COUNT + other].append(given + RETIRE_TO_TOKEN)
            progress = True
        return progress
