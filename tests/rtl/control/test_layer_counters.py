"""Totals per layer: whatever is committed is in them, once, in the right place."""

from collections import Counter
from functools import partial
from random import Random

import pytest

from rtl.control.engine_totals import SETTLE_CYCLES
from rtl.control.layer_counters import LayerCounters
from rtl.control.totals import Totals
from rtl.counters import COUNTER_BITS, COUNTERS, event_names, stall_causes, stall_name
from rtl.engine import COMMIT_SPACING, EVENT_BITS
from rtl.isa import Engine
from tests.rtl.bench import simulate

NAMES = [c.name for c in COUNTERS] + [f"last_retire_{e.name.lower()}" for e in Engine]
MOST = (1 << EVENT_BITS) - 1


async def settle(ctx, dut: LayerCounters) -> None:
    while ctx.get(dut.busy):
        await ctx.tick()


async def read_all(ctx, dut: LayerCounters, layers: int) -> dict[tuple[int, str], int]:
    """Every total that is not zero."""
    totals = {}
    for layer in range(layers):
        for index, name in enumerate(NAMES):
            ctx.set(dut.layer, layer)
            ctx.set(dut.index, index)
            await ctx.tick()
            if value := ctx.get(dut.value):
                totals[layer, name] = value
    return totals


def amount_of(rng: Random) -> int:
    return rng.choice([0, 1, MOST, rng.getrandbits(EVENT_BITS)])


class Feed:
    """Pulses at random cycles, as the engines and gates make them, and what they add up to."""

    def __init__(self, rng: Random, layers: int, cycles: int) -> None:
        self.sums: Counter[tuple[int, str]] = Counter()
        self.last: dict[tuple[int, str], int] = {}
        self.pulses: dict[int, list[tuple[str, Engine, dict]]] = {}
        for engine in Engine:
            self._spread(rng, layers, cycles, engine, "commit", COMMIT_SPACING)
            self._spread(rng, layers, cycles, engine, "stalls", 2)
            self._spread(rng, layers, cycles, engine, "retire", 1)

    def _spread(self, rng: Random, layers: int, cycles: int, engine: Engine, kind: str, spacing: int) -> None:
        cycle = rng.randint(1, 9)
        while cycle < cycles:
            layer = rng.randrange(layers)
            amount = partial(amount_of, rng)
            if kind == "commit":
                payload = {"events": {name: amount() for name in event_names(engine)}}
                self.sums.update({(layer, name): count for name, count in payload["events"].items()})
            elif kind == "stalls":
                payload = {"cycles": [amount() for _ in stall_causes(engine)]}
                for cause, count in zip(stall_causes(engine), payload["cycles"], strict=True):
                    self.sums[layer, stall_name(engine, cause)] += count
            else:
                payload = {}
                self.last[layer, f"last_retire_{engine.name.lower()}"] = cycle
            self.pulses.setdefault(cycle, []).append((kind, engine, {"valid": 1, "layer": layer} | payload))
            cycle += spacing + rng.choice([0, 0, 0, 1, 7])

    async def drive(self, ctx, dut: LayerCounters) -> None:
        ports = {}
        for e in Engine:
            commit = getattr(dut, f"commit_{e.name.lower()}")
            ports |= {("commit", e): commit, ("stalls", e): dut.stalls[e], ("retire", e): dut.retires[e]}
        for cycle in range(max(self.pulses) + 1):
            now = {(kind, e): value for kind, e, value in self.pulses.get(cycle, [])}
            for key, port in ports.items():
                if key in now:
                    ctx.set(port, now[key])
                else:
                    ctx.set(port.valid, 0)
            ctx.set(dut.cycle, cycle)
            await ctx.tick()
        for port in ports.values():
            ctx.set(port.valid, 0)

    def totals(self) -> dict[tuple[int, str], int]:
        wrapped = {key: value % (1 << COUNTER_BITS) for key, value in self.sums.items()}
        return {key: value for key, value in (wrapped | self.last).items() if value}


@pytest.mark.parametrize(("seed", "layers"), [(0, 1), (1, 2), (2, 3), (3, 5)])
def test_totals_are_the_sums_of_what_was_committed(seed, layers):
    dut, feed = LayerCounters(layers), Feed(Random(seed), layers, 120)
    seen = {}

    async def bench(ctx):
        await feed.drive(ctx, dut)
        await settle(ctx, dut)
        seen.update(await read_all(ctx, dut, layers))

    simulate(dut, bench)
    assert seen == feed.totals()


def test_clear_leaves_nothing():
    layers = 3
    dut, feed = LayerCounters(layers), Feed(Random(9), layers, 60)

    async def bench(ctx):
        await feed.drive(ctx, dut)
        await settle(ctx, dut)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        swept = 0
        while ctx.get(dut.busy):
            swept += 1
            await ctx.tick()
        assert swept == COMMIT_SPACING * layers
        assert await read_all(ctx, dut, layers) == {}

    simulate(dut, bench)


def test_busy_lasts_until_the_last_pulse_can_be_read():
    dut = LayerCounters(2)
    events = dict.fromkeys(event_names(Engine.COMPUTE), 3)

    async def bench(ctx):
        ctx.set(dut.commit_compute, {"valid": 1, "layer": 1, "events": events})
        assert ctx.get(dut.busy)
        await ctx.tick()
        ctx.set(dut.commit_compute.valid, 0)
        for _ in range(SETTLE_CYCLES):
            assert ctx.get(dut.busy)
            await ctx.tick()
        assert not ctx.get(dut.busy)
        assert await read_all(ctx, dut, 2) == {(1, name): 3 for name in events}

    simulate(dut, bench)


def test_an_addition_can_be_read_and_added_to_two_cycles_later():
    dut = Totals(rows=4, lanes=2)

    async def bench(ctx):
        ctx.set(dut.row, 2)
        ctx.set(dut.amounts, 5 | 7 << EVENT_BITS)
        for _ in range(3):
            ctx.set(dut.add, 1)
            await ctx.tick()
            ctx.set(dut.add, 0)
            await ctx.tick()
        await ctx.tick()
        assert ctx.get(dut.data) == 15 | 21 << COUNTER_BITS

    simulate(dut, bench)


def test_totals_that_replace_keep_what_came_last():
    dut = Totals(rows=4, lanes=1, accumulate=False)

    async def bench(ctx):
        ctx.set(dut.add, 1)
        for amount in (9, 1 << COUNTER_BITS - 1, 6):
            ctx.set(dut.row, 3)
            ctx.set(dut.amounts, amount)
            await ctx.tick()
        ctx.set(dut.add, 0)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.data) == 6

    simulate(dut, bench)
