"""What cannot be stops the sparse engine with the right fault."""

import numpy as np
import pytest

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.isa import Compute, Fault, Space, encode
from rtl.sparse.engine import SparseEngine
from tests.rtl.bench import simulate
from tests.rtl.sparse.matrices import encode as compress
from tests.rtl.sparse.test_engine import Bench
from tests.rtl.sparse.test_work import vectors

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(
        pes=2, lanes=2, pointers=64, accumulators=8, tables=2, spmat_kib=1, code_bits=4, index_bits=4, row_bytes=2
    ),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=2),
    bus=BusConfig(data_bytes=8),
)
COMPUTE = Compute(
    source=0, act=0, out_w=1, out_h=1, x_stride=0, y_stride=0, run=1, kx=1, kx_stride=0, ky=1, ky_stride=0, weight=0,
    filters=1, acc=0, op=0, flatten=0, depthwise=0, reuse_weights=0, hold=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("instruction", "fault"),
    [
        pytest.param(COMPUTE, Fault.OPCODE, id="dense"),
        *[pytest.param(vectors(**{name: 0}), Fault.OPCODE, id=f"no {name}")
          for name in ("out_w", "out_h", "run", "kx", "ky")],
        pytest.param(vectors(source=Space.PARAM), Fault.OPCODE, id="from parameters"),
        pytest.param(vectors(table=2), Fault.OPCODE, id="no such codebook"),
        pytest.param(vectors(acc=16), Fault.SCRATCHPAD, id="no such sum"),
        pytest.param(vectors(acc=1, out_w=8), Fault.SCRATCHPAD, id="sums past the half"),
        pytest.param(vectors(act=1020, run=5), Fault.SCRATCHPAD, id="past IFM"),
        pytest.param(vectors(source=Space.OFM, act=2040, run=9), Fault.SCRATCHPAD, id="past OFM"),
        pytest.param(vectors(column=60, run=4), Fault.SCRATCHPAD, id="past the pointers"),
    ],
)  # fmt: skip
def test_impossible_instructions(instruction, fault) -> None:
    dut = SparseEngine(CONFIG)
    seen: list[int] = []

    async def host(ctx):
        while not ctx.get(dut.engine.instr.ready):
            await ctx.tick()
        ctx.set(dut.engine.instr.payload, encode(instruction))
        ctx.set(dut.engine.instr.valid, 1)
        await ctx.tick()
        ctx.set(dut.engine.instr.valid, 0)
        for _ in range(40):
            if ctx.get(dut.engine.fault):
                seen.append(ctx.get(dut.engine.fault))
                break
            await ctx.tick()
        # The whole accelerator answers a fault with `halt`, and the engine forgets.
        await ctx.tick()
        ctx.set(dut.engine.halt, 1)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.engine.idle)
        assert not ctx.get(dut.engine.retire.valid)

    simulate(dut, host)
    assert seen == [fault]


@pytest.mark.parametrize(
    ("rows", "row", "acc"),
    [pytest.param(20, 0, 0, id="sums that are not there"), pytest.param(16, 510, 0, id="rows that are not there")],
)
def test_a_matrix_that_leaves_its_memories(rows: int, row: int, acc: int) -> None:
    """A PE sees it when it gets there."""
    matrix = compress(np.full((rows, 1), 3, np.uint8), 2, CONFIG.sparse.longest_run)
    bench = Bench(CONFIG, matrix, np.zeros(32, np.int16), row=0, column=0)
    ones = {Space.IFM: np.ones(8, np.uint8), Space.OFM: np.ones(8, np.uint8)}
    bench.run(ones, [(vectors(acc=acc, entry=row), 0)])
    assert set(bench.faults) == {Fault.SCRATCHPAD}


@pytest.mark.parametrize("odd", [0, 1])
def test_a_column_that_ends_before_it_begins(odd: int) -> None:
    """In whichever bank its start is; and only if its activation is not zero, for else nobody looks it up."""
    matrix = compress(np.full((4, 3), 3, np.uint8), 2, CONFIG.sparse.longest_run)
    matrix.pointers[1 + odd, 0] = 7
    for active in range(3):
        bench = Bench(CONFIG, matrix, np.zeros(32, np.int16), row=0, column=0)
        acts = np.where(np.arange(8) == active, 1, 0).astype(np.uint8)
        bench.run({Space.IFM: acts, Space.OFM: acts}, [(vectors(run=3), 0)])
        assert set(bench.faults) == ({Fault.SCRATCHPAD} if active == 1 + odd else set())


def test_sums_that_are_in_use_cannot_be_drained() -> None:
    dut = SparseEngine(CONFIG)
    seen: list[tuple[int, int]] = []

    async def host(ctx):
        while not ctx.get(dut.engine.instr.ready):
            await ctx.tick()
        ctx.set(dut.engine.instr.payload, encode(vectors(acc=8)))
        ctx.set(dut.engine.instr.valid, 1)
        await ctx.tick()
        ctx.set(dut.engine.instr.valid, 0)
        await ctx.tick().repeat(2)
        for half in range(2):
            ctx.set(dut.drain, {"valid": 1, "half": half, "address": 0, "group": 0})
            seen.append((half, ctx.get(dut.engine.fault)))

    simulate(dut, host)
    assert seen == [(0, Fault.NONE), (1, Fault.BANK)]
