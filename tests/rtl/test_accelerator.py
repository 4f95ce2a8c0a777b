"""The whole accelerator: programs run from DRAM to DRAM, to the byte and to the cycle, and mistakes stop them."""

from random import Random

import pytest

from rtl import csr
from rtl.accelerator import Accelerator
from rtl.cell import flat_ports
from rtl.isa import (
    INSTRUCTION_BYTES,
    Compute,
    End,
    Engine,
    Fault,
    Fill,
    Instruction,
    Load,
    PostConfig,
    PostFill,
    Space,
    Store,
    encode,
)
from tests.rtl.accelerator_host import (
    COMPUTE,
    LAYERS,
    LOAD,
    POST,
    PROGRAM,
    STORE,
    WINDOW,
    WINDOW_BYTES,
    Host,
    Outcome,
    Run,
    predict,
    tiny,
)
from tests.rtl.bench import simulate
from tests.rtl.control.lite import read, write


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


@pytest.mark.parametrize(
    ("seed", "memory", "dataflow"),
    [
        (0, (4, 30, 1), "weight_stationary"),
        (1, (8, 1, 2), "weight_stationary"),
        (2, (4, 7, 1), "output_stationary"),
    ],
)
def test_a_program_takes_the_cycles_and_counts_the_events_of_the_model(seed, memory, dataflow):
    config = tiny(*memory, dataflow)
    program = random_program(Random(seed), 4)
    host = Host(config)
    before = bytes(host.memory[WINDOW:])
    (outcome,) = host.run(Run([encode(i) for i in program], totals=True))
    plan, totals = predict(config, program)
    assert outcome.status == {"busy": 0, "done": 1, "fault": 0}
    assert outcome.memory == stored(before, program)
    assert outcome.cycles == plan.cycles
    assert outcome.totals == totals


def test_memory_that_answers_at_random_changes_no_byte():
    program = random_program(Random(11), 3)
    host = Host(tiny(), rng=Random(12))
    before = bytes(host.memory[WINDOW:])
    (outcome,) = host.run(Run([encode(i) for i in program]))
    assert outcome.status["done"] == 1
    assert outcome.memory == stored(before, program)


def load(**fields: int) -> Load:
    usual = {"space": 0, "dram": 0, "spad": 0, "rows": 1, "row_bytes": 4, "dram_stride": 4, "spad_stride": 4}
    return Load(**usual | fields)


def store(**fields: int) -> Store:
    usual = {"spad": 0, "rows": 1, "row_bytes": 4, "spad_stride": 4, "dram": 0, "dram_stride": 4}
    return Store(**usual | fields)


def run_of(*program: Instruction, **settings: int) -> Run:
    return Run([encode(i) for i in (*program, End())], **settings)


END = encode(End())
DISPATCH, FETCH = 4, 5
# name: the run, and code, unit and layer of the fault it must end with
MISTAKES: dict[str, tuple[Run, Fault, int, int | None]] = {
    "unknown opcode": (Run([0x50, END]), Fault.OPCODE, DISPATCH, 5),
    "layer that is not counted": (run_of(load(layer=3)), Fault.OPCODE, DISPATCH, 3),
    "no end": (Run([encode(load())]), Fault.PROGRAM, DISPATCH, None),
    "no instructions": (Run([END], length=0), Fault.PROGRAM, DISPATCH, None),
    "load without rows": (run_of(load(rows=0, layer=1)), Fault.OPCODE, Engine.LOAD, 1),
    "load to where only results go": (run_of(load(space=Space.OFM)), Fault.OPCODE, Engine.LOAD, 0),
    "load past the scratchpad": (run_of(load(spad=1021)), Fault.SCRATCHPAD, Engine.LOAD, 0),
    "load past the window": (run_of(load(dram=0x1800), window_bytes=0x1802), Fault.DRAM, Engine.LOAD, 0),
    "store past the window": (run_of(store(dram=0x1800), window_bytes=0x1802), Fault.DRAM, Engine.STORE, 0),
    "store past the scratchpad": (run_of(store(spad=1021)), Fault.SCRATCHPAD, Engine.STORE, 0),
    "load beyond memory": (run_of(load(dram=WINDOW_BYTES), window_bytes=1 << 20), Fault.BUS, Engine.LOAD, 0),
    "store beyond memory": (run_of(store(dram=WINDOW_BYTES), window_bytes=1 << 20), Fault.BUS, Engine.STORE, 0),
    "token that never comes": (run_of(load(), store(wait=LOAD, layer=2)), Fault.DEADLOCK, Engine.STORE, 2),
}


@pytest.fixture(scope="module")
def after_mistakes() -> tuple[bytes, dict[str, Outcome]]:
    """Memory before, and the outcome of every mistake, and of a program without one before and after them all."""
    host = Host(tiny())
    before = bytes(host.memory[WINDOW:])
    idle = run_of(PostConfig(zero_point=0, low=0, high=0), load(signal=COMPUTE), load(layer=1), totals=True)
    runs = {"before": idle} | {name: run for name, (run, *_) in MISTAKES.items()} | {"after": idle}
    return before, dict(zip(runs, host.run(*runs.values()), strict=True))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_stops_the_run_and_is_reported(name, after_mistakes):
    """It does not hang, and nothing is written."""
    before, outcomes = after_mistakes
    _, code, unit, layer = MISTAKES[name]
    outcome = outcomes[name]
    assert outcome.status == {"busy": 0, "done": 0, "fault": 1}
    assert (outcome.fault["code"], outcome.fault["unit"]) == (code, unit)
    assert outcome.fault["layer_known"] == (layer is not None)
    assert layer is None or outcome.fault["layer"] == layer
    assert outcome.memory == before


def test_after_any_mistake_the_hardware_is_as_new(after_mistakes):
    _, outcomes = after_mistakes
    assert outcomes["before"].status == outcomes["after"].status == {"busy": 0, "done": 1, "fault": 0}
    assert outcomes["before"].cycles == outcomes["after"].cycles
    assert outcomes["before"].totals == outcomes["after"].totals


def test_a_program_that_runs_out_of_memory():
    """Twenty instructions fill memory to its end, and the length says that there are more."""
    config = PostConfig(zero_point=0, low=0, high=0)
    host = Host(tiny(), dram_end=PROGRAM + 20 * INSTRUCTION_BYTES)
    (outcome,) = host.run(Run([encode(config)] * 20, length=1000))
    assert (outcome.fault["code"], outcome.fault["unit"], outcome.fault["layer_known"]) == (Fault.BUS, FETCH, 0)


def test_a_run_that_takes_too_long_is_stopped():
    host = Host(tiny())
    (outcome,) = host.run(run_of(*[load()] * 8, cycle_limit=60))
    assert outcome.status == {"busy": 0, "done": 0, "fault": 1}
    assert (outcome.fault["code"], outcome.fault["unit"], outcome.cycles) == (Fault.LIMIT, 6, 61)


def test_a_bus_that_never_answers_is_a_fault():
    """It stays busy: AXI has no way to take an address back."""
    dut = Accelerator(tiny())

    async def host(ctx):
        for name, value in {"program_length": 1, "window_bytes": 4, "bus_timeout": 50}.items():
            await write(ctx, dut.s_axil, csr.REGISTERS[name].address, value)
        control = csr.REGISTERS["control"]
        await write(ctx, dut.s_axil, control.address, control.pack(start=1))
        await ctx.tick().repeat(1000)
        assert ctx.get(dut.irq)
        status, _ = await read(ctx, dut.s_axil, csr.REGISTERS["status"].address)
        fault, _ = await read(ctx, dut.s_axil, csr.REGISTERS["fault"].address)
        assert csr.REGISTERS["status"].unpack(status) == {"busy": 1, "done": 0, "fault": 1}
        assert csr.REGISTERS["fault"].unpack(fault)["code"] == Fault.TIMEOUT
        assert csr.REGISTERS["fault"].unpack(fault)["unit"] == FETCH

    simulate(dut, host)


def test_ports_have_the_names_that_axi_tools_look_for():
    names = set(flat_ports(Accelerator(tiny())))
    read_channel = {"araddr", "arlen", "arsize", "arburst", "arvalid", "arready"}
    read_data = {"rdata", "rresp", "rlast", "rvalid", "rready"}
    write_channel = {"awaddr", "awlen", "awvalid", "awready", "wdata", "wstrb", "wlast", "wvalid", "wready", "bresp"}
    assert {f"m_axi_fetch_{n}" for n in read_channel | read_data} <= names
    assert {f"m_axi_data_{n}" for n in read_channel | read_data | write_channel} <= names
    assert {"s_axil_awaddr", "s_axil_wstrb", "s_axil_bready", "s_axil_araddr", "s_axil_rdata", "irq"} <= names
    assert not [n for n in names if n.startswith("m_axi_fetch_w")]
