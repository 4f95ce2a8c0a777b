"""A bus that owes an answer for too long is reported; one that takes its time, or owes nothing, is not."""

from random import Random

import pytest

from rtl.dma.watch import ReadWatch, WriteWatch
from tests.rtl.bench import simulate

LIMIT = 6
Beat = dict[str, int]
READ_OWED: list[list[Beat]] = [
    [{"arvalid": 1}],
    [{"arvalid": 1, "arready": 1}, {}],
    [{"arvalid": 1, "arready": 1}, {"rvalid": 1, "rready": 1}, {}],
    [{"arvalid": 1, "arready": 1}] * 2 + [{"rvalid": 1, "rready": 1, "rlast": 1}, {}],
]
"""Handshakes, and then what stays for ever: an address that is not taken, or data that do not come."""
READ_NOTHING_OWED: list[list[Beat]] = [
    [{}],
    [{"arvalid": 1, "arready": 1}, {"rvalid": 1, "rready": 1, "rlast": 1}, {}],
    [{"arvalid": 1, "arready": 1}, {"rvalid": 1}],
]
"""The last: the accelerator takes no data that are there."""
WRITE_OWED: list[list[Beat]] = [
    [{"awvalid": 1}],
    [{"awvalid": 1, "awready": 1}, {"wvalid": 1}],
    [{"awvalid": 1, "awready": 1, "wvalid": 1, "wready": 1, "wlast": 1}, {}],
    [{"wvalid": 1, "wready": 1, "wlast": 1}] * 2 + [{"bvalid": 1, "bready": 1}, {}],
]
WRITE_NOTHING_OWED: list[list[Beat]] = [
    [{"awvalid": 1, "awready": 1}, {}],
    [{"awvalid": 1, "awready": 1}, {"wvalid": 1, "wready": 1, "wlast": 1}, {"bvalid": 1, "bready": 1}, {}],
]


def late_cycles(dut: ReadWatch | WriteWatch, steps: list[Beat], limit: int, stay: int) -> list[int]:
    """Cycles, counted from the last of ``steps`` on, which stays, in which ``late`` is high."""
    found = []

    async def bench(ctx):
        ctx.set(dut.limit, limit)
        for step in steps:
            for name in dut.watched:
                ctx.set(getattr(dut, name), step.get(name, 0))
            if step is not steps[-1]:
                assert not ctx.get(dut.late)
                await ctx.tick()
        for cycle in range(stay):
            if ctx.get(dut.late):
                found.append(cycle)
            await ctx.tick()

    simulate(dut, bench)
    return found


CASES = [(ReadWatch, steps) for steps in READ_OWED] + [(WriteWatch, steps) for steps in WRITE_OWED]
QUIET = [(ReadWatch, steps) for steps in READ_NOTHING_OWED] + [(WriteWatch, steps) for steps in WRITE_NOTHING_OWED]


@pytest.mark.parametrize(("kind", "steps"), CASES)
def test_it_is_late_from_the_cycle_behind_the_limit_on(kind, steps):
    assert late_cycles(kind(4), [dict(step) for step in steps], LIMIT, 10) == [6, 7, 8, 9]


@pytest.mark.parametrize(("kind", "steps"), CASES)
def test_without_a_limit_it_is_never_late(kind, steps):
    assert late_cycles(kind(4), [dict(step) for step in steps], 0, 40) == []


@pytest.mark.parametrize(("kind", "steps"), QUIET)
def test_who_owes_nothing_is_not_late(kind, steps):
    assert late_cycles(kind(4), [dict(step) for step in steps], LIMIT, 40) == []


def test_whatever_moves_begins_the_wait_anew():
    dut, rng = ReadWatch(8), Random(1)

    async def bench(ctx):
        ctx.set(dut.limit, LIMIT)
        ctx.set(dut.arvalid, 1)
        for _ in range(30):
            for _ in range(rng.randint(0, LIMIT)):
                assert not ctx.get(dut.late)
                await ctx.tick()
            name = rng.choice(["arready", "rvalid"])
            ctx.set(dut.rready, 1)
            ctx.set(getattr(dut, name), 1)
            assert not ctx.get(dut.late)
            await ctx.tick()
            ctx.set(getattr(dut, name), 0)

    simulate(dut, bench)
