"""Engines that do nothing but take time, a program for them, and their timing model."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Out

from rtl.engine import EngineSignature
from rtl.isa import FORMATS, Engine, Instruction, Opcode
from rtl.isa_layout import HEADER

OPCODES = {engine: next(op for op, kind in FORMATS.items() if engine == kind.ENGINE) for engine in Engine}
GAP_AT = 128
LATENCY_AT = 160
FIELD_BITS = 16
EARLY_AT = 176


@dataclass(frozen=True, kw_only=True)
class Job:
    """An instruction of a dummy: the next one can follow after ``gap`` cycles, this one retires after ``latency``."""

    ENGINE: Engine
    layer: int = 0
    wait: int = 0
    signal: int = 0
    gap: int = 1
    latency: int = 1
    early: int = 0
    """Engines of ``signal`` that get their token in the cycle of issue."""

    def word(self) -> int:
        header = HEADER.const(
            {"opcode": OPCODES[self.ENGINE], "layer": self.layer, "wait": self.wait, "signal": self.signal}
        )
        return header.as_bits() | self.gap << GAP_AT | self.latency << LATENCY_AT | self.early << EARLY_AT


END = int(Opcode.END)


class Dummy(wiring.Component):
    """An engine that takes a :class:`Job` and retires it, in order, several in flight."""

    def __init__(self, engine: Engine) -> None:
        super().__init__({"engine": Out(EngineSignature(engine))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port = self.engine
        header = data.View(HEADER, port.instr.payload)
        m.submodules.flying = flying = SyncFIFO(width=48, depth=64)
        now = Signal(32)
        busy = Signal(FIELD_BITS)
        early = Signal(len(Engine))
        m.d.comb += early.eq(port.instr.payload[EARLY_AT:])
        due = data.View(data.StructLayout({"cycle": 32, "layer": 12, "signal": 4}), flying.r_data)
        m.d.sync += now.eq(now + 1)
        with m.If(busy != 0):
            m.d.sync += busy.eq(busy - 1)
        m.d.comb += [
            port.instr.ready.eq((busy == 0) & ~port.halt & flying.w_rdy),
            flying.w_en.eq(port.instr.valid & port.instr.ready),
            flying.w_data.eq(
                (now + port.instr.payload[LATENCY_AT : LATENCY_AT + FIELD_BITS])[:32]
                | header.layer << 32
                | (header.signal & ~early) << 44
            ),
            port.early.eq(Mux(flying.w_en, early, 0)),
            flying.r_en.eq(port.retire.valid),
            port.retire.valid.eq(flying.r_rdy & (now >= due.cycle)),
            port.retire.layer.eq(due.layer),
            port.retire.signal.eq(due.signal),
            port.idle.eq(~flying.r_rdy),
        ]
        with m.If(flying.w_en):
            m.d.sync += busy.eq(port.instr.payload[GAP_AT : GAP_AT + FIELD_BITS] - 1)
        return m


class DummyTiming:
    """What :class:`Dummy` does, as the schedule asks for it."""

    def __init__(self) -> None:
        self._ready = 0
        self._issued = self._retired = -1

    def ready(self) -> int:
        return self._ready

    def early(self) -> int:
        return self._issued

    def issue(self, cycle: int, instruction: Instruction) -> int:
        assert isinstance(instruction, Job)
        self._issued = cycle
        self._ready = cycle + instruction.gap
        self._retired = max(cycle + instruction.latency, self._retired + 1)
        return self._retired


class Arrivals:
    """A fetcher that has instruction k from cycle ``cycles[k]`` on."""

    def __init__(self, cycles: Sequence[int]) -> None:
        self._cycles = cycles
        self._taken = -1

    def offered(self, k: int) -> int:
        return max(self._cycles[k], self._taken + 1)

    def taken(self, k: int, cycle: int) -> None:
        self._taken = cycle


def random_jobs(rng: Random, count: int, *, layers: int = 4, possible: bool = True) -> list[Job]:
    """A program; if ``possible``, every token is given by an earlier instruction than the one that takes it."""
    jobs: list[Job] = []
    given: dict[tuple[Engine, Engine], int] = {}
    engines = rng.choice([list(Engine), [Engine.LOAD, Engine.COMPUTE], [Engine.POST]])
    slow = rng.choice([1, 3, 20])
    # All tokens of a pair of engines, or none, since they are given in program order.
    early = rng.choice([set(), {(Engine.COMPUTE, Engine.POST)}])
    for _ in range(count):
        engine = rng.choice(engines)
        others = [other for other in engines if other != engine]
        wait = [o for o in others if rng.random() < 0.4 and (given.get((o, engine), 0) or not possible)]
        signal = [o for o in others if rng.random() < 0.4]
        for other in wait:
            given[other, engine] = given.get((other, engine), 0) - 1
        for other in signal:
            given[engine, other] = given.get((engine, other), 0) + 1
        gap = rng.choice([1, 1, 2, rng.randint(1, slow)])
        jobs.append(
            Job(
                ENGINE=engine,
                layer=rng.randrange(layers),
                wait=sum(1 << o for o in wait),
                signal=sum(1 << o for o in signal),
                early=sum(1 << o for o in signal if (engine, o) in early),
                gap=gap,
                latency=rng.choice([1, gap, gap + rng.randint(1, slow)]),
            )
        )
    return jobs


def random_arrivals(rng: Random, count: int) -> list[int]:
    """Cycles in which instructions come out of a fetcher: all at once, in bursts, or scattered."""
    kind = rng.choice(["at once", "bursts", "scattered"])
    cycle = rng.choice([0, 3, 40])
    out = []
    for k in range(count):
        if kind == "bursts" and k % 8 == 0:
            cycle += rng.randint(0, 40)
        if kind == "scattered":
            cycle += rng.choice([0, 0, 1, 5, 30])
        out.append(cycle)
    return out
