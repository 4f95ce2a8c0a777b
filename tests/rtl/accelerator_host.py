"""The whole accelerator with DRAM behind it: a host runs programs on it, and the timing models say what comes."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from rtl import csr
from rtl.accelerator import Accelerator
from rtl.config import ArchConfig, parse_arch
from rtl.control.axi_lite import OKAY
from rtl.control.timing import Schedule, schedule
from rtl.counters import COUNTERS, stall_name
from rtl.dense.timing import compute_events, compute_timing
from rtl.dma.timing import LoadTiming, StoreTiming
from rtl.dma.timing_fetch import FetchTiming
from rtl.isa import (
    INSTRUCTION_BYTES,
    Compute,
    End,
    Engine,
    Fill,
    Instruction,
    Load,
    Store,
)
from rtl.post.timing import PostTiming, post_events
from tests.rtl.bench import simulate
from tests.rtl.control.lite import read, write
from tests.rtl.dma.dram import Dram

LAYERS = 3
PROGRAM = 0x40
WINDOW = 0x1000
WINDOW_BYTES = 0x2000
DRAM_BYTES = WINDOW + WINDOW_BYTES
LIMIT = 6_000

TINY = """
dense: {rows: 2, cols: 2, depthwise_taps: 0, dataflow: %s}
memory: {ifm_kib: 1, ofm_kib: 1, weight_kib: 1, param_kib: 1, accumulators: 16}
bus: {data_bytes: %d, burst_beats: 4, outstanding: 2}
dram: {latency_cycles: %d, beat_interval: %d}
control: {queue_depth: 2, fetch_depth: 8, max_layers: 3}
"""

LOAD, COMPUTE, POST, STORE = (1 << engine for engine in Engine)


def tiny(data_bytes: int = 4, latency: int = 7, interval: int = 1, dataflow: str = "weight_stationary") -> ArchConfig:
    return parse_arch(TINY % (dataflow, data_bytes, latency, interval), "tiny")


@dataclass
class Outcome:
    """What the registers say after a run."""

    status: dict[str, int]
    fault: dict[str, int]
    cycles: int
    totals: dict[tuple[int, str], int] = field(default_factory=dict)
    """By layer and name, those that are not zero."""
    memory: bytes = b""


@dataclass(frozen=True)
class Run:
    """A program for the accelerator."""

    words: list[int]
    length: int | None = None
    window_bytes: int = WINDOW_BYTES
    cycle_limit: int = 0
    totals: bool = False
    """Read the counters too: several hundred registers."""


class Host:
    """Drives the registers of one accelerator."""

    def __init__(self, config: ArchConfig, *, rng: Random | None = None, dram_end: int = DRAM_BYTES) -> None:
        self.dut = Accelerator(config)
        self.memory = bytearray(Random(5).randbytes(dram_end))
        self.dram = Dram(self.memory, latency=config.dram.latency_cycles, interval=config.dram.beat_interval, rng=rng)

    def run(self, *runs: Run) -> list[Outcome]:
        """One run after the other on the same hardware."""
        outcomes = []

        async def host(ctx):
            for run in runs:
                code = b"".join(word.to_bytes(INSTRUCTION_BYTES, "little") for word in run.words)
                self.memory[PROGRAM : PROGRAM + len(code)] = code
                settings = {
                    "program": PROGRAM,
                    "program_length": len(run.words) if run.length is None else run.length,
                    "window_base": WINDOW,
                    "window_bytes": run.window_bytes,
                    "cycle_limit": run.cycle_limit,
                }
                for name, value in settings.items():
                    await write(ctx, self.dut.s_axil, csr.REGISTERS[name].address, value)
                outcomes.append(await self._session(ctx, totals=run.totals))

        axi = self.dut
        ports = [self.dram.reads(axi.m_axi_fetch), self.dram.reads(axi.m_axi_data), self.dram.writes(axi.m_axi_data)]
        simulate(self.dut, host, background=ports)
        return outcomes

    async def _session(self, ctx, *, totals: bool) -> Outcome:
        control = csr.REGISTERS["control"]
        await write(ctx, self.dut.s_axil, control.address, control.pack(start=1))
        cycles = 0
        while not ctx.get(self.dut.irq):
            await ctx.tick()
            cycles += 1
            assert cycles < LIMIT, "it hangs"
        while (status := await self._fields(ctx, "status"))["busy"]:
            cycles += 1
            assert cycles < LIMIT, "it never settles"
        outcome = Outcome(status, await self._fields(ctx, "fault"), await self._word(ctx, "cycles_lo"))
        if totals:
            names = [c.name for c in COUNTERS] + [f"last_retire_{e.name.lower()}" for e in Engine]
            for layer in range(LAYERS):
                await write(ctx, self.dut.s_axil, csr.REGISTERS["layer"].address, layer)
                for name in names:
                    if value := await self._word(ctx, f"{name}_lo"):
                        outcome.totals[layer, name] = value
        outcome.memory = bytes(self.memory[WINDOW:])
        return outcome

    async def _word(self, ctx, name: str) -> int:
        word, response = await read(ctx, self.dut.s_axil, csr.REGISTERS[name].address)
        assert response == OKAY
        return word

    async def _fields(self, ctx, name: str) -> dict[str, int]:
        return csr.REGISTERS[name].unpack(await self._word(ctx, name))


def predict(config: ArchConfig, program: list[Instruction]) -> tuple[Schedule, dict[tuple[int, str], int]]:
    """Cycles and totals that the timing models say."""
    load, store = LoadTiming(config), StoreTiming(config)
    plan = schedule(
        program,
        fetch=FetchTiming(config, len(program), program=PROGRAM),
        engines={
            Engine.LOAD: load,
            Engine.COMPUTE: compute_timing(config),
            Engine.POST: PostTiming(config),
            Engine.STORE: store,
        },
        queue_depth=config.control.queue_depth,
    )
    totals: Counter[tuple[int, str]] = Counter()
    for i in program:
        match i:
            case Load() | Fill():
                events = load.events(i)
            case Store():
                events = store.events(i)
            case Compute():
                events = compute_events(i, config)
            case End():
                events = {}
            case _:
                events = post_events(i)
        totals.update({(i.layer, name): count for name, count in events.items()})
    for (layer, engine, cause), count in plan.stalls.items():
        totals[layer, stall_name(engine, cause)] += count
    for (layer, engine), cycle in plan.last_retire.items():
        totals[layer, f"last_retire_{engine.name.lower()}"] = cycle
    return plan, {key: value for key, value in totals.items() if value}
