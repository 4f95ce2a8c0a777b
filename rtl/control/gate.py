"""The issue gate: an engine's next instruction starts when the tokens that it waits for are there."""

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.counters import stall_causes
from rtl.engine import EVENT_BITS
from rtl.isa import ENGINE_COUNT, MAX_TOKENS, Engine
from rtl.isa_layout import HEADER, TOKENS, WORD

__all__ = ["CAUSES", "Gate", "Stalls"]

CAUSES = ENGINE_COUNT - 1
"""Engines that an engine can wait for."""


class Stalls(data.Struct):
    """Cycles that one instruction was held back, by cause, in the order of :func:`rtl.counters.stall_causes`."""

    valid: 1
    layer: 12
    cycles: data.ArrayLayout(EVENT_BITS, CAUSES)


class Gate(wiring.Component):
    r"""Pass instructions from an engine's queue to the engine, in order, each when its tokens are there.

    ::

        cycle              r     r+1
        given[other]     _/‾\______      the other engine retires an instruction that signals this one
        engine.valid     ______/‾‾‾\     the instruction that waited for it is offered in the next cycle
        engine.ready     ‾‾‾‾‾‾‾‾‾‾‾‾
        stalls.valid     ______/‾‾‾\     in the cycle of issue

    One counter of tokens for every other engine, of up to :data:`rtl.isa.MAX_TOKENS`. Tokens are taken when the
    instruction is issued (``valid & ready``). A cycle in which the queue has a head, the engine is ready and a token is
    missing is a stall; its cause is the first engine whose token is missing.

    Parameters
    ----------
    engine : Engine
        Whose gate this is.

    Ports
    -----
    queue : stream of 256-bit words
        Head of the queue.
    engine : stream of 256-bit words
        To the engine. ``valid`` does not depend on ``ready``.
    halt : 1
        Offer nothing.
    given : 4
        Engines that give this one a token in this cycle; the own bit is ignored.
    retired : 1
        The engine retires an instruction in this cycle.
    waiting : 1
        The queue has a head, and a token for it is missing.
    flying : 1
        An instruction that was issued in an earlier cycle had not retired before this one.
    stalls : Stalls
        One pulse per issued instruction that stalled; two are at least two cycles apart.
    overflow : 1
        A token is given beyond the most that can be counted.

    """

    # Tokens of one engine flow for every instruction in flight at worst; engines hold far fewer than this.
    _FLYING_BITS = 8

    def __init__(self, engine: Engine) -> None:
        self.causes = stall_causes(engine)
        super().__init__(
            {
                "queue": In(stream.Signature(WORD)),
                "engine": Out(stream.Signature(WORD)),
                "halt": In(1),
                "given": In(TOKENS),
                "retired": In(1),
                "waiting": Out(1),
                "flying": Out(1),
                "stalls": Out(Stalls),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header = data.View(HEADER, self.queue.payload)
        issue = Signal()
        missing = Signal(CAUSES)
        spilt = Signal(CAUSES)

        for i, other in enumerate(self.causes):
            wanted = header.wait[other]
            tokens = Signal(range(MAX_TOKENS + 1), name=f"tokens_{other.name.lower()}")
            give = Signal(name=f"give_{other.name.lower()}")
            take = Signal(name=f"take_{other.name.lower()}")
            m.d.comb += [
                give.eq(self.given[other]),
                take.eq(issue & wanted),
                missing[i].eq(wanted & (tokens == 0)),
                spilt[i].eq(give & ~take & (tokens == MAX_TOKENS)),
            ]
            with m.If(give & ~take & ~spilt[i]):
                m.d.sync += tokens.eq(tokens + 1)
            with m.If(take & ~give):
                m.d.sync += tokens.eq(tokens - 1)

        blocked = Signal()
        m.d.comb += [
            blocked.eq(missing.any()),
            self.waiting.eq(self.queue.valid & blocked),
            self.engine.payload.eq(self.queue.payload),
            self.engine.valid.eq(self.queue.valid & ~blocked & ~self.halt),
            issue.eq(self.engine.valid & self.engine.ready),
            self.queue.ready.eq(issue),
            self.overflow.eq(spilt.any()),
        ]
        self._count_flying(m, issue)
        self._count_stalls(m, issue, missing, header.layer)
        return m

    def _count_flying(self, m: Module, issue: Signal) -> None:
        flying = Signal(self._FLYING_BITS)
        m.d.comb += self.flying.eq(flying != 0)
        with m.If(issue & ~self.retired):
            m.d.sync += flying.eq(flying + 1)
        with m.If(self.retired & ~issue):
            m.d.sync += flying.eq(flying - 1)

    def _count_stalls(self, m: Module, issue: Signal, missing: Signal, layer: Value) -> None:
        counts = [Signal(EVENT_BITS, name=f"stalls_{cause.name.lower()}") for cause in self.causes]
        stalled = Signal()
        m.d.comb += [
            self.stalls.valid.eq(issue & stalled),
            self.stalls.layer.eq(layer),
            self.stalls.cycles.as_value().eq(Cat(counts)),
        ]
        with m.If(self.waiting & self.engine.ready):
            m.d.sync += stalled.eq(1)
            for i, count in enumerate(counts):
                first = missing[i] & ~missing[:i].any()
                with m.If(first):
                    m.d.sync += count.eq(count + 1)
        with m.If(issue):
            m.d.sync += stalled.eq(0)
            m.d.sync += [count.eq(0) for count in counts]
