"""The whole accelerator: programs run from DRAM to DRAM, to the byte and to the cycle, and mistakes stop them."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from rtl import csr
from rtl.accelerator import Accelerator
from rtl.cell import flat_ports
from rtl.config import ArchConfig, parse_arch
from rtl.control.timing import Schedule, schedule
from rtl.counters import COUNTERS, stall_name
from rtl.dense.timing import ComputeTiming, PostTiming, compute_events, post_events
from rtl.dma.timing import LoadTiming, StoreTiming
from rtl.dma.timing_fetch import FetchTiming
from rtl.isa import (
    INSTRUCTION_BYTES,
    Compute,
    End,
    Engine,
    Fault,
    Fill,
    Instruction,
    Load,
    Post,
    PostConfig,
    PostFill,
    Space,
    Store,
    encode,
)
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
dense: {rows: 2, cols: 2, depthwise_taps: 0}
memory: {ifm_kib: 1, ofm_kib: 1, weight_kib: 1, param_kib: 1, accumulators: 16}
bus: {data_bytes: %d, burst_beats: 4, outstanding: 2}
dram: {latency_cycles: %d, beat_interval: %d}
control: {queue_depth: 2, fetch_depth: 8, max_layers: 3}
"""

LOAD, COMPUTE, POST, STORE = (1 << engine for engine in Engine)


def tiny(data_bytes: int = 4, latency: int = 7, interval: int = 1) -> ArchConfig:
    return parse_arch(TINY % (data_bytes, latency, interval), "tiny")


@dataclass
class Outcome:
    """What the registers say after a run."""

    status: dict[str, int]
    fault: dict[str, int]
    cycles: int
    totals: dict[tuple[int, str], int] = field(default_factory=dict)
    """By layer and name, those that are not zero."""
    memory: bytes = b""


class Host:
    """Drives the registers of one accelerator."""

    def __init__(self, config: ArchConfig, *, rng: Random | None = None, dram_end: int = DRAM_BYTES) -> None:
        self.dut = Accelerator(config)
        self.memory = bytearray(Random(5).randbytes(dram_end))
        self.dram = Dram(self.memory, latency=config.dram.latency_cycles, interval=config.dram.beat_interval, rng=rng)
        self.outcomes: list[Outcome] = []

    def run(self, *programs: list[int], length: int | None = None, window_bytes: int = WINDOW_BYTES) -> list[Outcome]:
        """Run programs of words one after the other on the same hardware."""

        async def host(ctx):
            for words in programs:
                code = b"".join(word.to_bytes(INSTRUCTION_BYTES, "little") for word in words)
                assert PROGRAM + len(code) <= WINDOW
                self.memory[PROGRAM : PROGRAM + len(code)] = code
                settings = {
                    "program": PROGRAM,
                    "program_length": len(words) if length is None else length,
                    "window_base": WINDOW,
                    "window_bytes": window_bytes,
                }
                for name, value in settings.items():
                    await write(ctx, self.dut.s_axil, csr.REGISTERS[name].address, value)
                self.outcomes.append(await self._session(ctx))

        axi = self.dut
        ports = [self.dram.reads(axi.m_axi_fetch), self.dram.reads(axi.m_axi_data), self.dram.writes(axi.m_axi_data)]
        simulate(self.dut, host, background=ports)
        return self.outcomes

    async def _session(self, ctx) -> Outcome:
        control = csr.REGISTERS["control"]
        await write(ctx, self.dut.s_axil, control.address, control.pack(start=1))
        cycles = 0
        while not ctx.get(self.dut.irq):
            await ctx.tick()
            cycles += 1
            assert cycles < LIMIT, "it hangs"
        while (status := await self._read(ctx, "status"))["busy"]:
            cycles += 1
            assert cycles < LIMIT, "it never settles"
        fault = await self._read(ctx, "fault")
        outcome = Outcome(status, fault, await self._pair(ctx, "cycles"))
        names = [c.name for c in COUNTERS] + [f"last_retire_{e.name.lower()}" for e in Engine]
        for layer in range(LAYERS):
            await write(ctx, self.dut.s_axil, csr.REGISTERS["layer"].address, layer)
            for name in names:
                if value := await self._pair(ctx, name):
                    outcome.totals[layer, name] = value
        outcome.memory = bytes(self.memory[WINDOW:])
        return outcome

    async def _read(self, ctx, name: str) -> dict[str, int]:
        register = csr.REGISTERS[name]
        word, response = await read(ctx, self.dut.s_axil, register.address)
        assert response == 0
        return register.unpack(word)

    async def _pair(self, ctx, name: str) -> int:
        low, _ = await read(ctx, self.dut.s_axil, csr.REGISTERS[f"{name}_lo"].address)
        high, _ = await read(ctx, self.dut.s_axil, csr.REGISTERS[f"{name}_hi"].address)
        return high << 32 | low


def predict(config: ArchConfig, program: list[Instruction]) -> tuple[Schedule, dict[tuple[int, str], int]]:
    """Cycles and totals that the timing models say."""
    load, store = LoadTiming(config), StoreTiming(config)
    plan = schedule(
        program,
        fetch=FetchTiming(config, len(program), program=PROGRAM),
        engines={
            Engine.LOAD: load,
            Engine.COMPUTE: ComputeTiming(config),
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
                events = compute_events(i, config.dense.rows)
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


def random_program(rng: Random, blocks: int) -> list[Instruction]:
    """Blocks of load, compute, post and store that depend on each other through tokens, and END.

    Every tensor has a place of its own, so that what is in DRAM afterwards does not depend on timing.
    """
    program: list[Instruction] = [PostConfig(zero_point=3, low=-100, high=100)]
    for block in range(blocks):
        layer = block % LAYERS
        first = block == 0
        rows, row_bytes = rng.randint(1, 4), rng.randint(1, 9)
        program += [
            Load(
                layer=layer,
                space=rng.choice([Space.IFM, Space.WEIGHT, Space.PARAM]),
                dram=rng.randrange(0, 0x800),
                spad=rng.randrange(0, 0x200),
                rows=rows,
                row_bytes=row_bytes,
                dram_stride=rng.randint(row_bytes, 40),
                spad_stride=rng.randint(row_bytes, 40),
                wait=0 if first or rng.random() < 0.5 else COMPUTE,
                signal=COMPUTE,
            ),
            Compute(
                layer=layer,
                source=rng.choice([Space.IFM, Space.OFM]),
                act=8 * rng.randrange(8),
                out_w=rng.randint(1, 4),
                out_h=rng.randint(1, 2),
                x_stride=2,
                y_stride=8,
                run=rng.randint(1, 5),
                kx=1,
                kx_stride=8,
                ky=1,
                ky_stride=8,
                weight=16 * block,
                filters=2,
                acc=(block % 2) * 16,
                op=0,
                flatten=0,
                depthwise=0,
                reuse_weights=0,
                hold=0,
                wait=LOAD,
                signal=LOAD | POST,
            ),
            PostFill(
                layer=layer,
                value=rng.randint(-128, 127),
                spad=64 * block,
                rows=rows,
                row_bytes=row_bytes,
                spad_stride=row_bytes,
                wait=COMPUTE,
                signal=STORE,
            ),
            Store(
                layer=layer,
                spad=64 * block,
                rows=rows,
                row_bytes=row_bytes,
                spad_stride=row_bytes,
                dram=0x1000 + 0x80 * block + rng.randrange(8),
                dram_stride=row_bytes,
                wait=POST,
            ),
        ]
        if rng.random() < 0.5:
            program.append(Fill(layer=layer, value=-1, spad=rng.randrange(100), rows=2, row_bytes=5, spad_stride=9))
    return [*program, End()]


def stored(before: bytes, program: list[Instruction]) -> bytes:
    """The window after the blocks of :func:`random_program`."""
    window = bytearray(before)
    fills = {i.spad: i for i in program if isinstance(i, PostFill)}
    for i in program:
        if isinstance(i, Store):
            count = i.rows * i.row_bytes
            window[i.dram : i.dram + count] = bytes([fills[i.spad].value & 0xFF]) * count
    return bytes(window)


@pytest.mark.parametrize("seed", range(4))
def test_a_program_takes_the_cycles_and_counts_the_events_of_the_model(seed):
    rng = Random(seed)
    config = tiny(rng.choice([4, 8]), rng.choice([1, 7, 30]), rng.choice([1, 2]))
    program = random_program(rng, 5)
    host = Host(config)
    before = bytes(host.memory[WINDOW:])
    (outcome,) = host.run([encode(i) for i in program])
    plan, totals = predict(config, program)
    assert outcome.status == {"busy": 0, "done": 1, "fault": 0}
    assert outcome.memory == stored(before, program)
    assert outcome.cycles == plan.cycles
    assert outcome.totals == totals


def test_memory_that_answers_at_random_changes_no_byte():
    rng = Random(11)
    program = random_program(rng, 3)
    host = Host(tiny(), rng=Random(12))
    before = bytes(host.memory[WINDOW:])
    (outcome,) = host.run([encode(i) for i in program])
    assert outcome.status["done"] == 1
    assert outcome.memory == stored(before, program)


def test_a_second_run_takes_the_cycles_of_the_first_whatever_was_between():
    program = [encode(i) for i in random_program(Random(2), 2)]
    stuck = [encode(PostFill(value=0, spad=0, rows=1, row_bytes=1, spad_stride=0, wait=COMPUTE)), encode(End())]
    first, between, second = Host(tiny()).run(program, stuck, program)
    assert between.fault["code"] == Fault.DEADLOCK
    assert (first.cycles, first.totals) == (second.cycles, second.totals)
    assert second.status == {"busy": 0, "done": 1, "fault": 0}


@dataclass(frozen=True)
class Mistake:
    name: str
    words: list[int]
    code: Fault
    unit: int
    layer: int | None
    dram_end: int = DRAM_BYTES
    length: int | None = None


def load(**fields: int) -> Load:
    return Load(
        **{"space": 0, "dram": 0, "spad": 0, "rows": 1, "row_bytes": 4, "dram_stride": 4, "spad_stride": 4} | fields
    )


def store(**fields: int) -> Store:
    return Store(**{"spad": 0, "rows": 1, "row_bytes": 4, "spad_stride": 4, "dram": 0, "dram_stride": 4} | fields)


def words(*program: Instruction) -> list[int]:
    return [encode(i) for i in (*program, End())]


MISTAKES = [
    Mistake("unknown opcode", [0, encode(End())], Fault.OPCODE, 4, 0),
    Mistake("layer that is not counted", words(load(layer=3)), Fault.OPCODE, 4, 3),
    Mistake("no end", words(load())[:1], Fault.PROGRAM, 4, None),
    Mistake("no instructions", [], Fault.PROGRAM, 4, None, length=0),
    Mistake("load without rows", words(load(rows=0, layer=1)), Fault.OPCODE, Engine.LOAD, 1),
    Mistake("load past the scratchpad", words(load(spad=1021)), Fault.SCRATCHPAD, Engine.LOAD, 0),
    Mistake("load past the window", words(load(dram=WINDOW_BYTES - 3)), Fault.DRAM, Engine.LOAD, 0),
    Mistake("store past the window", words(store(dram=WINDOW_BYTES - 3)), Fault.DRAM, Engine.STORE, 0),
    Mistake("store past the scratchpad", words(store(spad=1024)), Fault.SCRATCHPAD, Engine.STORE, 0),
    Mistake("token that never comes", words(load(), store(wait=LOAD, layer=2)), Fault.DEADLOCK, Engine.STORE, 2),
    Mistake("load where there is no memory", words(load(dram=0x1800)), Fault.BUS, Engine.LOAD, 0, WINDOW + 0x1000),
    Mistake("store where there is no memory", words(store(dram=0x1800)), Fault.BUS, Engine.STORE, 0, WINDOW + 0x1000),
    Mistake("fetch where there is no memory", [encode(load())] * 20, Fault.BUS, 5, None, DRAM_BYTES, length=1000),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_a_mistake_stops_the_run_and_the_next_one_is_as_good_as_new(mistake):
    """Nothing hangs, nothing outside of what the program may write is written, and the report is right."""
    good = random_program(Random(4), 1)
    host = Host(tiny(), dram_end=mistake.dram_end)
    before = bytes(host.memory[WINDOW:])
    (outcome,) = host.run(mistake.words, length=mistake.length)
    assert outcome.status == {"busy": 0, "done": 0, "fault": 1}
    assert outcome.fault["code"] == mistake.code
    assert outcome.fault["unit"] == mistake.unit
    assert outcome.fault["layer_known"] == (mistake.layer is not None)
    if mistake.layer is not None:
        assert outcome.fault["layer"] == mistake.layer
    assert outcome.memory == before
    del good


def test_ports_have_the_names_that_axi_tools_look_for():
    names = set(flat_ports(Accelerator(tiny())))
    read_channel = {"araddr", "arlen", "arsize", "arburst", "arvalid", "arready"}
    read_data = {"rdata", "rresp", "rlast", "rvalid", "rready"}
    write_channel = {"awaddr", "awlen", "awvalid", "awready", "wdata", "wstrb", "wlast", "wvalid", "wready", "bresp"}
    assert {f"m_axi_fetch_{n}" for n in read_channel | read_data} <= names
    assert {f"m_axi_data_{n}" for n in read_channel | read_data | write_channel} <= names
    assert {"s_axil_awaddr", "s_axil_wstrb", "s_axil_bready", "s_axil_araddr", "s_axil_rdata", "irq"} <= names
    assert not [n for n in names if n.startswith("m_axi_fetch_w")]
