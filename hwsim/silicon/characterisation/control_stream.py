"""What the instruction path gets of a whole program, cycle by cycle: words from DRAM, and engines that answer.

Engines take and retire instructions when their timing says so (:mod:`rtl.timing`); DRAM answers by the rule of
:mod:`rtl.dma.timing`. The program runs twice: first with engines that take no time, so that the queues hold what a
program has left there and not what a simulator starts with; then as it is, and that is what is measured.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from amaranth import Value
from amaranth.sim import Simulator

from hwsim.silicon.switching.stimulus import Stimulus
from rtl.compute.timing import engine_timing
from rtl.control.path import ControlPath
from rtl.control.timing import DISPATCH_TO_HEAD, ISSUE_TO_HEAD, schedule
from rtl.dma.timing import LoadTiming, StoreTiming
from rtl.dma.timing_fetch import FetchTiming
from rtl.engine import Retire
from rtl.isa import ENGINE_COUNT, INSTRUCTION_BYTES, Engine, encode
from rtl.post.timing import PostTiming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.program.program import Segment
    from rtl.config import ArchConfig
    from rtl.control.timing import EngineTiming, Schedule
    from rtl.isa import Instruction

__all__ = ["EVENTS", "ControlStream", "control_stream", "joined"]

EVENTS = ("fetch", "dispatch", "issue", "stall")
"""The last beat of an instruction; one to its engine's queue; one to its engine; a cycle of waiting for a token."""
_RESET_CYCLES = 2
_IDLE_CYCLES = 32
_SETTLING = 4
"""Cycles after the end that still move something."""
_QUALIFIED = {"payload": "valid", "araddr": "arvalid", "arlen": "arvalid"}
"""Ports that mean something only where another says so, by the last part of their names."""


@dataclass(frozen=True, slots=True)
class ControlStream:
    """A program's stimulus, and what happens in it."""

    stimulus: Stimulus
    schedule: Schedule
    stalls: tuple[int, ...]
    """Of each instruction, in cycles."""
    begin: int
    """The stimulus' cycle that is cycle 0 of the schedule."""
    beat_bytes: int
    """Of the bus."""

    def counts(self, first: int, last: int) -> tuple[int, ...]:
        """:data:`EVENTS` in cycles ``first`` to ``last`` of the schedule, the latter not included."""
        out = self.schedule
        waits = (range(i - n, i) for i, n in zip(out.issue, self.stalls, strict=True))
        waiting = sum(max(0, min(last, wait.stop) - max(first, wait.start)) for wait in waits)
        counts = (sum(first <= cycle < last for cycle in cycles) for cycles in (out.dispatch, out.issue))
        return (self._fetched(last) - self._fetched(first), *counts, waiting)

    def _fetched(self, cycle: int) -> int:
        """Instructions that have come as a whole before ``cycle``."""
        beats = int(np.sum(self.stimulus.inputs["axi_rvalid"][self.begin : self.begin + cycle]))
        return beats * self.beat_bytes // INSTRUCTION_BYTES

    def idle(self) -> range:
        """Cycles of the stimulus in which nothing comes: behind the first run."""
        last = self.begin - _RESET_CYCLES
        return range(last - _IDLE_CYCLES, last)

    def until(self, last: int) -> Stimulus:
        """The stimulus up to cycle ``last`` of the schedule, not included; all of it is measured."""
        stop, whole = self.begin + last, self.stimulus
        inputs = {name: values[:stop] for name, values in whole.inputs.items()}
        expected = {name: values[:stop] for name, values in whole.expected.items()}
        return Stimulus(inputs, expected, 0, stop, zeroed=True)


def joined(first: Stimulus, second: Stimulus) -> Stimulus:
    """One behind the other, both measured whole: a netlist with delays takes minutes before its first cycle."""
    inputs = {name: np.concatenate([values, second.inputs[name]]) for name, values in first.inputs.items()}
    expected = {name: np.concatenate([values, second.expected[name]]) for name, values in first.expected.items()}
    return Stimulus(inputs, expected, first.start, first.cycles + second.cycles, zeroed=first.zeroed)


def control_stream(segment: Segment, config: ArchConfig) -> ControlStream:
    """``segment``'s instructions through the path of ``config``, which has a dense engine alone.

    Raises:
        DeadlockError: the program comes to a stop.
        RuntimeError: the path dispatches or issues in another cycle than its timing says.

    """
    prompt = _Pass(segment, config, {engine: _Prompt() for engine in Engine})
    real = _Pass(segment, config, _engines(config))
    run = _Run(segment, config)
    run.simulate(prompt)
    begin = run.simulate(real)
    return ControlStream(run.stimulus(begin, real), real.schedule, real.stalls(), begin, config.bus.data_bytes)


def _engines(config: ArchConfig) -> dict[Engine, EngineTiming]:
    compute, _ = engine_timing(config, ())
    return {
        Engine.LOAD: LoadTiming(config),
        Engine.COMPUTE: compute,
        Engine.POST: PostTiming(config),
        Engine.STORE: StoreTiming(config),
    }


class _Prompt:
    """An engine that takes an instruction in every cycle and retires it in the next."""

    def __init__(self) -> None:
        self._next = 0

    def ready(self) -> int:
        return self._next

    def issue(self, cycle: int, _instruction: Instruction, /) -> int:
        self._next = cycle + 1
        return self._next

    def early(self) -> int:
        return self._next - 1


class _Recorded:
    """Another timing, and what it said of each instruction."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.readies: list[int] = []
        self.earlies: list[int] = []
        """0 of those that give no token early."""

    def ready(self) -> int:
        return self._inner.ready()

    def issue(self, cycle: int, instruction: Instruction, /) -> int:
        self.readies.append(self._inner.ready())
        retire = self._inner.issue(cycle, instruction)
        self.earlies.append(self._inner.early() if instruction.early else 0)
        return retire

    def early(self) -> int:
        return self.earlies[-1]


class _Step(NamedTuple):
    """One instruction in one engine."""

    instruction: Instruction
    dispatch: int
    ready: int
    issue: int
    early: int
    retire: int


class _Pass:
    """One run of the program: when everything happens, by the timing functions."""

    def __init__(self, segment: Segment, config: ArchConfig, engines: Mapping[Engine, EngineTiming]) -> None:
        program = segment.instructions
        recorded = {engine: _Recorded(timing) for engine, timing in engines.items()}
        self.schedule = schedule(
            program,
            fetch=FetchTiming(config, len(program), program=segment.address, start=0),
            engines=recorded,
            queue_depth=config.control.queue_depth,
        )
        out = self.schedule
        self.steps: dict[Engine, list[_Step]] = {engine: [] for engine in Engine}
        self._order: list[_Step] = []
        for k, instruction in enumerate(program[: len(out.issue)]):
            engine = Engine(instruction.ENGINE)
            timing, place = recorded[engine], len(self.steps[engine])
            ready, early = timing.readies[place], timing.earlies[place]
            step = _Step(instruction, out.dispatch[k], ready, out.issue[k], early, out.retire[k])
            self.steps[engine].append(step)
            self._order.append(step)

    def stalls(self) -> tuple[int, ...]:
        """Cycles in which each instruction is at its queue's head, its engine ready, and a token missing."""
        last = dict.fromkeys(Engine, -ISSUE_TO_HEAD)
        found = []
        for step in self._order:
            engine = Engine(step.instruction.ENGINE)
            head = max(step.dispatch + DISPATCH_TO_HEAD, last[engine] + ISSUE_TO_HEAD, step.ready)
            found.append(step.issue - head)
            last[engine] = step.issue
        return tuple(found)

    def answers(self) -> list[dict[str, int]]:
        """What the engines say, cycle by cycle: inputs of :class:`ControlPath` that change."""
        silent = {"idles": 0}
        for engine in Engine:
            silent |= {f"engines_{engine}_ready": 0, f"retires_{engine}": 0, f"early_{engine}": 0}
        rows = [dict(silent) for _ in range(self.schedule.cycles)]
        for engine, steps in self.steps.items():
            self._answer(engine, steps, rows)
        return rows

    def _answer(self, engine: Engine, steps: Sequence[_Step], rows: list[dict[str, int]]) -> None:
        """What one engine says. It is ready until it is given an instruction; behind its last one, for ever."""
        flying = np.zeros(len(rows), bool)
        for step in steps:
            flying[step.issue + 1 : step.retire + 1] = True
            for row in rows[step.ready : step.issue + 1]:
                row[f"engines_{engine}_ready"] = 1
            given = step.instruction.signal & ~step.instruction.early
            retired = {"valid": 1, "layer": step.instruction.layer, "signal": given}
            rows[step.retire][f"retires_{engine}"] = Retire.const(retired).as_bits()
            if step.instruction.early:
                rows[step.early][f"early_{engine}"] |= step.instruction.early
        for row in rows[steps[-1].issue + 1 if steps else 0 :]:
            row[f"engines_{engine}_ready"] = 1
        for cycle in np.flatnonzero(~flying):
            rows[cycle]["idles"] |= 1 << engine


class _Dram:
    """Beats of a program, by the deterministic DRAM's rule."""

    def __init__(self, words: Sequence[int], address: int, config: ArchConfig) -> None:
        self._words, self._address, self._config = words, address, config
        self._end = -config.dram.beat_interval
        self._beats: deque[tuple[int, int, bool]] = deque()

    def beat(self, cycle: int) -> dict[str, int]:
        """The R channel in ``cycle``; data stay as they were behind the last beat."""
        if not self._beats or self._beats[0][0] > cycle:
            return {"axi_rvalid": 0, "axi_rlast": 0}
        _, data, last = self._beats.popleft()
        return {"axi_rvalid": 1, "axi_rdata": data, "axi_rlast": int(last)}

    def ask(self, cycle: int, address: int, beats: int) -> None:
        """A burst whose address is taken in ``cycle``."""
        dram, width = self._config.dram, self._config.bus.data_bytes
        first = max(cycle + dram.latency_cycles, self._end + dram.beat_interval)
        for k in range(beats):
            word, byte = divmod(address + k * width - self._address, INSTRUCTION_BYTES)
            data = self._words[word] >> 8 * byte & ((1 << 8 * width) - 1)
            self._end = first + k * dram.beat_interval
            self._beats.append((self._end, data, k == beats - 1))


class _Run:
    """A simulation of the path's own description, every cycle of which is written down."""

    def __init__(self, segment: Segment, config: ArchConfig) -> None:
        self._config, self._address = config, segment.address
        self._words = [encode(instruction) for instruction in segment.instructions]
        self._dut = ControlPath(config)
        ports = {
            "_".join(map(str, path)): (member.flow.name == "In", Value.cast(value))
            for path, member, value in self._dut.signature.flatten(self._dut)
        }
        self._drive = {name: value for name, (is_input, value) in ports.items() if is_input}
        self._watch = {name: value for name, (is_input, value) in ports.items() if not is_input}
        self._inputs: dict[str, list[int]] = {name: [] for name in ("rst", *self._drive)}
        self._outputs: dict[str, list[int]] = {name: [] for name in self._watch}

    def simulate(self, made: _Pass) -> int:
        """Reset, and one run; returns its cycle 0 in what is written down."""
        begin = len(self._inputs["rst"]) + _RESET_CYCLES
        dram = _Dram(self._words, self._address, self._config)
        fixed = {"program": self._address, "length": len(self._words), "axi_arready": 1}

        async def host(ctx: Any) -> None:
            now = dict.fromkeys(self._inputs, 0) | fixed | {"idles": (1 << ENGINE_COUNT) - 1}
            for _ in range(_RESET_CYCLES):
                await self._cycle(ctx, now | {"rst": 1})
            for cycle, answers in enumerate(made.answers()):
                now |= answers | dram.beat(cycle) | {"start": int(cycle == 0)}
                seen = await self._cycle(ctx, now)
                if seen["axi_arvalid"]:
                    dram.ask(cycle, seen["axi_araddr"], seen["axi_arlen"] + 1)
            for _ in range(_SETTLING + _IDLE_CYCLES):
                await self._cycle(ctx, now)

        simulator = Simulator(self._dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(host)
        simulator.run()
        self._compare(begin, made)
        return begin

    async def _cycle(self, ctx: Any, now: dict[str, int]) -> dict[str, int]:
        for name, value in self._drive.items():
            ctx.set(value, now[name])
        for name, row in self._inputs.items():
            row.append(now[name])
        seen = {name: int(ctx.get(value)) for name, value in self._watch.items()}
        for name, row in self._outputs.items():
            row.append(seen[name])
        await ctx.tick()
        return seen

    def _compare(self, begin: int, made: _Pass) -> None:
        """The gateware against its timing: every issue and the end."""
        for engine, steps in made.steps.items():
            valid, ready = self._outputs[f"engines_{engine}_valid"], self._inputs[f"engines_{engine}_ready"]
            seen = [k for k in range(len(valid) - begin) if valid[begin + k] and ready[begin + k]]
            if seen != [step.issue for step in steps]:
                raise RuntimeError(f"{engine.name} takes instructions in other cycles than its timing says")
        if self._outputs["done"][begin:].index(1) + 1 != made.schedule.cycles:
            raise RuntimeError("the program is done in another cycle than its timing says")

    def stimulus(self, begin: int, made: _Pass) -> Stimulus:
        """Of all that was simulated; the run that is measured begins in cycle ``begin``."""
        inputs = {name: np.array(row, dtype=object) for name, row in self._inputs.items()}
        expected = {}
        for name, row in self._outputs.items():
            values = np.array(row, dtype=object)
            stem, _, last = name.rpartition("_")
            if last in _QUALIFIED:
                values[np.array(self._outputs[f"{stem}_{_QUALIFIED[last]}"]) == 0] = -1
            elif name.startswith("stalls"):
                values[values % 2 == 0] = -1
            elif name.startswith("faults"):
                # The layer is that of a queue's head, also where there is none.
                values[:] = -1
            # The simulation of each run is a new one, and the netlist's is not: alike from the reset on.
            values[np.array(self._inputs["rst"]) == 1] = -1
            expected[name] = values
        return Stimulus(inputs, expected, begin, begin + made.schedule.cycles, zeroed=True)
