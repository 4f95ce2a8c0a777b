"""What every gateware test needs: a clock, streams, and a waveform when one is asked for."""

import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

Testbench = Callable[..., Awaitable[None]]

WAVES = "HWSIM_WAVES"
"""Name a file in this environment variable, and the next simulation writes its waveform (VCD) there."""


def simulate(dut: Elaboratable, *benches: Testbench, background: Iterable[Testbench] = ()) -> None:
    """Run until every bench returns; those in the ``background`` are not waited for.

    Benches run in the order given, each seeing what the ones before it set.
    """
    sim = Simulator(dut)
    sim.add_clock(10e-9)
    for bench in background:
        sim.add_testbench(bench, background=True)
    for bench in benches:
        sim.add_testbench(bench)
    if waves := os.environ.get(WAVES):
        with sim.write_vcd(str(Path(waves))):
            sim.run()
    else:
        sim.run()


async def put(ctx: Any, stream: Any, items: Iterable[Any], *, rng: Random | None = None) -> None:
    """Send ``items``; with ``rng``, pause at random between them."""
    for item in items:
        while rng and rng.random() < 0.3:
            await ctx.tick()
        ctx.set(stream.payload, item)
        ctx.set(stream.valid, 1)
        await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)


async def take(ctx: Any, stream: Any, count: int, *, rng: Random | None = None) -> list[Any]:
    """Receive ``count`` items; with ``rng``, hold back at random."""
    out = []
    for _ in range(count):
        while rng and rng.random() < 0.3:
            await ctx.tick()
        ctx.set(stream.ready, 1)
        (payload,) = await ctx.tick().sample(stream.payload).until(stream.valid)
        ctx.set(stream.ready, 0)
        out.append(payload)
    return out
