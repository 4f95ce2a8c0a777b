"""Random architectures, memories and DMA programs, weighted to corners; and a bench that runs one on an engine."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from rtl.config import ArchConfig, BusConfig, ControlConfig, DenseConfig, DramConfig, MemoryConfig
from rtl.isa import Fill, Instruction, Load, Space, Store, encode

SPACES = (Space.IFM, Space.WEIGHT, Space.PARAM)


def arch(
    data_bytes: int = 8,
    burst_beats: int = 4,
    outstanding: int = 4,
    latency: int = 10,
    interval: int = 1,
    **control: int,
) -> ArchConfig:
    """A small accelerator around the DMA that is asked for."""
    return ArchConfig(
        dense=DenseConfig(rows=4, cols=4, depthwise_taps=3),
        memory=MemoryConfig(ifm_kib=2, ofm_kib=2, weight_kib=1, param_kib=1),
        bus=BusConfig(data_bytes=data_bytes, burst_beats=burst_beats, outstanding=outstanding),
        dram=DramConfig(latency_cycles=latency, beat_interval=interval),
        control=ControlConfig(**control),
    )


def random_arch(rng: Random) -> ArchConfig:
    return arch(
        data_bytes=rng.choice([4, 8, 16, 32]),
        burst_beats=rng.choice([2, 4, 16, 128]),
        outstanding=rng.choice([1, 2, 4, 8, 64]),
        latency=rng.choice([1, 2, 3, rng.randint(4, 30), rng.randint(31, 200)]),
        interval=rng.choice([1, 1, 2, 3, 5]),
        fetch_depth=rng.choice([4, 8, 16, 64]),
    )


def spad_bytes(config: ArchConfig, space: Space) -> int:
    kib = {Space.IFM: "ifm_kib", Space.OFM: "ofm_kib", Space.WEIGHT: "weight_kib", Space.PARAM: "param_kib"}
    return getattr(config.memory, kib[space]) * 1024


def load(**fields: int) -> Load:
    """One row of one byte, unless told otherwise."""
    return Load(**({"space": Space.IFM, "dram": 0, "spad": 0, "rows": 1, "row_bytes": 1} | _strides() | fields))


def fill(**fields: int) -> Fill:
    return Fill(**({"value": 0, "spad": 0, "rows": 1, "row_bytes": 1, "spad_stride": 0} | fields))


def store(**fields: int) -> Store:
    return Store(**({"dram": 0, "spad": 0, "rows": 1, "row_bytes": 1} | _strides() | fields))


def _strides() -> dict[str, int]:
    return {"dram_stride": 0, "spad_stride": 0}


def _rows(rng: Random, config: ArchConfig, window: int, spad: int) -> dict[str, int]:
    """A shape that fits both the window and the scratchpad."""
    beat, burst = config.bus.data_bytes, config.bus.data_bytes * config.bus.burst_beats
    most = min(window, spad)
    row_bytes = min(
        rng.choice([1, 2, beat, beat + 1, rng.randint(1, 3 * beat), burst, rng.randint(1, 3 * burst)]), most
    )
    rows = rng.choice([1, 1, 2, 3, rng.randint(1, 20)])
    if rng.random() < 0.1:
        row_bytes, rows = rng.randint(1, 2 * beat), rng.randint(20, 60)
    rows = max(1, min(rows, 800 // row_bytes))

    def place(space: int) -> tuple[int, int]:
        slack = (space - row_bytes) // max(rows - 1, 1)
        stride = min(rng.choice([row_bytes, burst, rng.randint(0, 2 * row_bytes), rng.randint(0, slack)]), slack)
        return rng.randint(0, space - row_bytes - (rows - 1) * stride), stride

    (dram, dram_stride), (address, spad_stride) = place(window), place(spad)
    shape = {"rows": rows, "row_bytes": row_bytes, "layer": rng.randrange(4096), "signal": rng.randrange(16)}
    return shape | {"dram": dram, "dram_stride": dram_stride, "spad": address, "spad_stride": spad_stride}


def random_load(rng: Random, config: ArchConfig, window: int) -> Load | Fill:
    space = rng.choice(SPACES)
    if rng.random() < 0.3:
        shape = _rows(rng, config, window, spad_bytes(config, Space.IFM))
        del shape["dram"], shape["dram_stride"]
        return Fill(value=rng.randint(-128, 127), **shape)
    return Load(space=space, **_rows(rng, config, window, spad_bytes(config, space)))


def random_store(rng: Random, config: ArchConfig, window: int) -> Store:
    return Store(**_rows(rng, config, window, spad_bytes(config, Space.OFM)))


@dataclass
class Log:
    """What an engine was seen to do, with the cycles."""

    issued: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    """First cycle in which the engine was ready for each instruction."""
    retired: list[tuple[int, int, int]] = field(default_factory=list)
    """Cycle, layer, signal."""
    commits: list[tuple[int, int, dict[str, int]]] = field(default_factory=list)
    """Cycle, layer, events."""
    idle: list[bool] = field(default_factory=list)
    """By cycle."""
    faults: list[int] = field(default_factory=list)


def run_engine(
    engine: Any,
    program: list[tuple[int, Instruction]],
    log: Log,
    *,
    halt_after: int | None = None,
    timeout: int = 50_000,
):
    """A bench that issues a program, each instruction no sooner than its gap after the one before.

    Returns when all have retired, or when the engine has faulted, been halted and become idle. ``halt_after`` halts it
    that many cycles after the last issue without a fault.
    """

    async def bench(ctx: Any) -> None:
        names = list(engine.commit.events.shape().members)
        waiting = list(program)
        cycle, since, was_ready, halted = 0, 0, False, False
        while True:
            offer = bool(waiting) and cycle >= since + waiting[0][0]
            ctx.set(engine.instr.valid, offer)
            if waiting:
                ctx.set(engine.instr.payload, encode(waiting[0][1]))
            _, _, ready, retire, commit, idle, fault = await ctx.tick().sample(
                engine.instr.ready, engine.retire, engine.commit, engine.idle, engine.fault
            )
            if waiting and ready and not was_ready:
                log.ready.append(cycle)
            was_ready = ready
            if offer and ready:
                log.issued.append(cycle)
                waiting.pop(0)
                since, was_ready = cycle + 1, False
            if retire.valid:
                log.retired.append((cycle, retire.layer, retire.signal))
            if commit.valid:
                log.commits.append((cycle, commit.layer, {name: commit.events[name] for name in names}))
            log.idle.append(bool(idle))
            if fault:
                log.faults.append(fault)
            cycle += 1
            if log.faults or (halt_after is not None and not waiting and cycle == since + halt_after):
                ctx.set(engine.halt, 1)
                if halted and idle:
                    return
                halted = True
            elif halted and idle:
                return
            if len(log.retired) == len(program) and idle:
                return
            assert cycle < timeout, "the engine hangs"

    return bench
