"""Both engines behind the COMPUTE queue; :mod:`rtl.compute.timing` has the rule."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.engine import EngineSignature
from rtl.isa import Engine, Fault, Opcode
from rtl.isa_layout import HEADER, WORD

__all__ = ["Router"]


class Router(wiring.Component):
    """Leads instructions to the engine that runs them, one engine at a time.

    An instruction of the same kind as the one before goes straight through. One of the other kind is taken, and held
    until the engine of the one before is idle. What neither engine knows goes to the dense one, which refuses it.

    Ports
    -----
    engine : EngineSignature
    dense, sparse : EngineSignature, from the other side
    sparse_now : Out(1)
        Whose turn it is to read the scratchpads.
    """

    def __init__(self) -> None:
        signature = EngineSignature(Engine.COMPUTE)
        super().__init__(
            {"engine": Out(signature), "dense": In(signature), "sparse": In(signature), "sparse_now": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        e, dense, sparse = self.engine, self.dense, self.sparse
        word, held = Signal(WORD), Signal()
        turn, switch, other, direct = Signal(), Signal(), Signal(), Signal()
        idle, ready = Signal(), Signal()
        m.d.comb += [
            other.eq((data.View(HEADER, e.instr.payload).opcode == Opcode.SPARSE) != turn),
            idle.eq(Mux(turn, sparse.idle, dense.idle)),
            # The held instruction moves on in the cycle in which the other engine is found idle.
            switch.eq(held & idle),
            self.sparse_now.eq(turn ^ switch),
            ready.eq(Mux(turn, sparse.instr.ready, dense.instr.ready)),
            e.instr.ready.eq(ready & ~held),
            direct.eq(e.instr.valid & ~held & ~other),
            e.idle.eq(dense.idle & sparse.idle & ~held),
            e.retire.eq(Mux(sparse.retire.valid, sparse.retire, dense.retire)),
            e.early.eq(dense.early | sparse.early),
            e.commit.eq(Mux(sparse.commit.valid, sparse.commit, dense.commit)),
            e.fault.eq(Mux(sparse.fault != Fault.NONE, sparse.fault, dense.fault)),
        ]
        for port, mine in ((dense, ~turn), (sparse, turn)):
            m.d.comb += [
                port.instr.payload.eq(Mux(held, word, e.instr.payload)),
                port.instr.valid.eq((direct & mine) | (switch & ~mine)),
                port.halt.eq(e.halt),
            ]
        with m.If(e.instr.valid & e.instr.ready & other):
            m.d.sync += [word.eq(e.instr.payload), held.eq(1)]
        with m.If(switch & Mux(turn, dense.instr.ready, sparse.instr.ready)):
            m.d.sync += [held.eq(0), turn.eq(~turn)]
        with m.If(e.halt):
            m.d.sync += held.eq(0)
        return m
