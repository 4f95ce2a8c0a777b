"""A run begins once all is clear, is counted from its first cycle to its last, and ends by itself."""

from random import Random

import pytest

from rtl.control.run import FAULT_UNITS, UNIT_DISPATCH, UNIT_FETCH, UNIT_RUN, Run
from rtl.isa import Engine, Fault
from tests.rtl.bench import simulate


async def pulse(ctx, signal) -> None:
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


async def begin(ctx, dut: Run, *, sweep: int = 3) -> None:
    """Start, and come back in cycle 0."""
    await pulse(ctx, dut.start)
    await ctx.tick().repeat(sweep)
    await pulse(ctx, dut.cleared)
    assert ctx.get(dut.begin)


async def end(ctx, dut: Run, *, drain: int = 2) -> None:
    await ctx.tick().repeat(drain)
    await pulse(ctx, dut.settled)
    assert not ctx.get(dut.busy)


@pytest.mark.parametrize("last", [0, 1, 57])
def test_cycles_are_those_from_begin_to_finish_both_included(last):
    dut = Run()

    async def bench(ctx):
        await begin(ctx, dut)
        assert ctx.get(dut.cycle) == 0
        for _ in range(last):
            await ctx.tick()
        await pulse(ctx, dut.finish)
        assert ctx.get(dut.halt)
        await end(ctx, dut)
        assert (ctx.get(dut.cycle), ctx.get(dut.done), ctx.get(dut.fault.code)) == (last + 1, 1, 0)

    simulate(dut, bench)


def test_engines_are_reset_and_halted_until_the_first_cycle():
    dut = Run()
    seen = []

    async def bench(ctx):
        ctx.set(dut.start, 1)
        for cycle in range(8):
            ctx.set(dut.cleared, cycle == 4)
            seen.append(tuple(map(ctx.get, (dut.wipe, dut.reset, dut.halt, dut.begin, dut.busy))))
            await ctx.tick()
            ctx.set(dut.start, 0)

    simulate(dut, bench)
    idle, clearing, first, running = (1, 0, 1, 0, 0), (0, 1, 1, 0, 1), (0, 0, 0, 1, 1), (0, 0, 0, 0, 1)
    assert seen == [idle, clearing, clearing, clearing, clearing, first, running, running]


def test_busy_lasts_until_everything_has_settled():
    dut = Run()

    async def bench(ctx):
        await begin(ctx, dut)
        await pulse(ctx, dut.finish)
        for _ in range(30):
            assert ctx.get(dut.busy)
            assert not ctx.get(dut.done)
            await ctx.tick()
        await end(ctx, dut)
        assert ctx.get(dut.done)

    simulate(dut, bench)


@pytest.mark.parametrize("unit", [*Engine, UNIT_DISPATCH, UNIT_FETCH])
def test_a_fault_stops_the_run_and_is_kept(unit):
    dut = Run()
    report = {"code": Fault.BUS, "unit": unit, "layer": 77, "layer_known": 1}

    async def bench(ctx):
        await begin(ctx, dut)
        await ctx.tick().repeat(3)
        ctx.set(dut.faults[unit], report)
        await ctx.tick()
        assert (ctx.get(dut.halt), ctx.get(dut.busy)) == (1, 1)
        assert ctx.get(dut.fault.code) == Fault.BUS
        ctx.set(dut.faults[unit], {"code": 0})
        await end(ctx, dut)
        assert ctx.get(dut.done) == 0
        assert ctx.get(dut.cycle) == 4
        for name, value in report.items():
            assert ctx.get(dut.fault[name]) == value

    simulate(dut, bench)


@pytest.mark.parametrize("seed", range(5))
def test_the_first_fault_counts_and_of_several_at_once_the_lowest_unit(seed):
    dut, rng = Run(), Random(seed)
    first = {unit: rng.randint(1, 8) for unit in rng.sample(range(FAULT_UNITS), rng.randint(1, 4))}
    later = {unit: rng.randint(1, 8) for unit in rng.sample(range(FAULT_UNITS), 3)}

    async def bench(ctx):
        await begin(ctx, dut)
        for codes in (first, later):
            for unit in range(FAULT_UNITS):
                ctx.set(dut.faults[unit], {"code": codes.get(unit, 0), "unit": unit})
            await ctx.tick()
        assert (ctx.get(dut.fault.unit), ctx.get(dut.fault.code)) == (min(first), first[min(first)])

    simulate(dut, bench)


def test_a_fault_in_the_cycle_of_finish_is_a_fault():
    dut = Run()

    async def bench(ctx):
        await begin(ctx, dut)
        ctx.set(dut.faults[Engine.STORE].code, Fault.BUS)
        await pulse(ctx, dut.finish)
        ctx.set(dut.faults[Engine.STORE].code, 0)
        await end(ctx, dut)
        assert (ctx.get(dut.done), ctx.get(dut.fault.code)) == (0, Fault.BUS)

    simulate(dut, bench)


def test_nothing_outside_of_a_run_is_a_fault():
    dut = Run()

    async def bench(ctx):
        ctx.set(dut.faults[0].code, Fault.BUS)
        await ctx.tick().repeat(3)
        await pulse(ctx, dut.start)
        await ctx.tick().repeat(3)
        ctx.set(dut.faults[0].code, 0)
        await pulse(ctx, dut.cleared)
        await pulse(ctx, dut.finish)
        ctx.set(dut.faults[0].code, Fault.BUS)
        await end(ctx, dut)
        assert (ctx.get(dut.done), ctx.get(dut.fault.code)) == (1, 0)

    simulate(dut, bench)


@pytest.mark.parametrize("command", ["start", "clear"])
def test_start_and_clear_forget_the_last_run(command):
    dut = Run()

    async def bench(ctx):
        for code in (0, Fault.BANK):
            await begin(ctx, dut)
            ctx.set(dut.faults[2].code, code)
            await pulse(ctx, dut.finish)
            ctx.set(dut.faults[2].code, 0)
            await end(ctx, dut)
            assert (ctx.get(dut.done), ctx.get(dut.fault.code)) == (code == 0, code)
            await pulse(ctx, getattr(dut, command))
            assert (ctx.get(dut.done), ctx.get(dut.fault.code)) == (0, 0)
            if command == "start":
                await ctx.tick()
                await pulse(ctx, dut.cleared)
                await pulse(ctx, dut.finish)
                await end(ctx, dut)

    simulate(dut, bench)


@pytest.mark.parametrize("limit", [1, 2, 40])
def test_a_run_of_more_cycles_than_its_limit_is_stopped(limit):
    dut = Run()

    async def bench(ctx):
        ctx.set(dut.limit, limit)
        await begin(ctx, dut)
        await ctx.tick().repeat(limit)
        assert ctx.get(dut.fault.code) == Fault.NONE
        await ctx.tick()
        assert ctx.get(dut.halt)
        await end(ctx, dut)
        assert (ctx.get(dut.done), ctx.get(dut.fault.code), ctx.get(dut.fault.unit)) == (0, Fault.LIMIT, UNIT_RUN)
        assert not ctx.get(dut.fault.layer_known)

    simulate(dut, bench)


def test_a_run_of_as_many_cycles_as_its_limit_is_not():
    dut = Run()

    async def bench(ctx):
        ctx.set(dut.limit, 5)
        await begin(ctx, dut)
        await ctx.tick().repeat(4)
        await pulse(ctx, dut.finish)
        await end(ctx, dut)
        assert (ctx.get(dut.cycle), ctx.get(dut.done), ctx.get(dut.fault.code)) == (5, 1, 0)

    simulate(dut, bench)
