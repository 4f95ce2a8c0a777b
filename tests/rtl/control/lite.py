"""An AXI4-Lite master for tests in Amaranth's simulator."""

from random import Random
from typing import Any

__all__ = ["read", "write"]


async def _send(ctx: Any, bus: Any, channel: str, fields: dict[str, int], delay: int) -> None:
    for _ in range(delay):
        await ctx.tick()
    for name, value in fields.items():
        ctx.set(getattr(bus, name), value)
    ctx.set(getattr(bus, f"{channel}valid"), 1)
    await ctx.tick().until(getattr(bus, f"{channel}ready"))
    ctx.set(getattr(bus, f"{channel}valid"), 0)


async def write(ctx: Any, bus: Any, address: int, data: int, *, strobe: int = 0xF, rng: Random | None = None) -> int:
    """Write a word; with ``rng`` the address comes before the data or after, and the response is taken late.

    Returns:
        The response.
    """
    pause = (lambda: rng.choice([0, 0, 1, 3])) if rng else (lambda: 0)
    order = [("aw", {"awaddr": address}), ("w", {"wdata": data, "wstrb": strobe})]
    if rng and rng.random() < 0.7:
        rng.shuffle(order)
        for channel, fields in order:
            await _send(ctx, bus, channel, fields, pause())
    else:
        for channel, fields in order:
            for name, value in fields.items():
                ctx.set(getattr(bus, name), value)
            ctx.set(getattr(bus, f"{channel}valid"), 1)
        await ctx.tick().until(bus.awready & bus.wready)
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
    for _ in range(pause()):
        await ctx.tick()
    ctx.set(bus.bready, 1)
    (response,) = await ctx.tick().sample(bus.bresp).until(bus.bvalid)
    ctx.set(bus.bready, 0)
    return response


async def read(ctx: Any, bus: Any, address: int, *, rng: Random | None = None) -> tuple[int, int]:
    """Read a word: data and response."""
    pause = (lambda: rng.choice([0, 0, 1, 3])) if rng else (lambda: 0)
    await _send(ctx, bus, "ar", {"araddr": address}, pause())
    for _ in range(pause()):
        await ctx.tick()
    ctx.set(bus.rready, 1)
    data, response = await ctx.tick().sample(bus.rdata, bus.rresp).until(bus.rvalid)
    ctx.set(bus.rready, 0)
    return data, response
