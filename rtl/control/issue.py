"""From the program to the engines: dispatch, a queue and a gate for each, and the watch for deadlock."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from rtl.config import ControlConfig
from rtl.control.dispatch import Dispatch
from rtl.control.gate import Gate, Stalls
from rtl.control.run import UNIT_DISPATCH, FaultReport
from rtl.engine import FAULT_BITS, Retire
from rtl.isa import ENGINE_COUNT, INSTRUCTION_BITS, Engine, Fault
from rtl.isa_layout import HEADER, TOKENS, WORD

__all__ = ["Issue"]


class Issue(wiring.Component):
    r"""Give every instruction of the program to its engine, in order, when the tokens it waits for are there.

    ::

        cycle            d     d+1    ...   i           r    r+1
        words (k)      ‾‾‾‾‾‾\____________________________________
        engine.valid   ______/‾‾‾‾‾‾‾‾‾‾‾‾‾‾\______________________   issued in i: engine ready, tokens there
        engine.ready   ___________________/‾\______________________
        retire         ____________________________/‾‾‾\___________   its tokens can be taken from r+1 on

    :mod:`rtl.control.timing` says exactly when. Queues are ``config.queue_depth`` deep; an instruction issued in cycle
    i makes room for one that is dispatched in i + 1.

    It is a deadlock when nothing is in flight, some queue is not empty, the head of every queue that is not empty
    waits for a token, and dispatch is blocked. None of these can then change, so it is reported in the first such
    cycle, and never wrongly.

    Ports
    -----
    words, exhausted : stream of 256-bit words, 1
        From the fetcher; see :class:`Dispatch`.
    halt : 1
        Dispatch and issue nothing.
    engines : four streams of 256-bit words
    retires, early : four Retire, four sets of engines
        As of :class:`rtl.engine.EngineSignature`: both give tokens.
    idles : 4
    engine_faults : four :class:`rtl.isa.Fault`
        From the engines.
    stalls : four Stalls
        See :class:`Gate`.
    done : 1
        END is reached, and everything before it has retired.
    faults : FaultReport of the four engines and of dispatch
        Faults of the engines, completed with the layer; and those seen here.
    """

    def __init__(self, config: ControlConfig) -> None:
        self.config = config
        super().__init__(
            {
                "words": In(stream.Signature(WORD)),
                "exhausted": In(1),
                "halt": In(1),
                "engines": Out(stream.Signature(WORD)).array(ENGINE_COUNT),
                "retires": In(Retire).array(ENGINE_COUNT),
                "early": In(TOKENS).array(ENGINE_COUNT),
                "idles": In(ENGINE_COUNT),
                "engine_faults": In(FAULT_BITS).array(ENGINE_COUNT),
                "stalls": Out(Stalls).array(ENGINE_COUNT),
                "done": Out(1),
                "faults": Out(FaultReport).array(ENGINE_COUNT + 1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dispatch = dispatch = Dispatch(max_layers=self.config.max_layers)
        wiring.connect(m, wiring.flipped(self.words), dispatch.words)

        filled = Signal(ENGINE_COUNT)
        waiting = Signal(ENGINE_COUNT)
        flying = Signal(ENGINE_COUNT)
        overflow = Signal(ENGINE_COUNT)
        heads = Signal(data.ArrayLayout(12, ENGINE_COUNT))
        for engine in Engine:
            name = engine.name.lower()
            m.submodules[f"queue_{name}"] = queue = SyncFIFO(width=INSTRUCTION_BITS, depth=self.config.queue_depth)
            m.submodules[f"gate_{name}"] = gate = Gate(engine)
            wiring.connect(m, dispatch.queues[engine], queue.w_stream)
            wiring.connect(m, queue.r_stream, gate.queue)
            wiring.connect(m, gate.engine, wiring.flipped(self.engines[engine]))
            m.d.comb += [
                gate.halt.eq(self.halt),
                gate.given.eq(
                    Cat((r.valid & r.signal[engine]) | e[engine] for r, e in zip(self.retires, self.early, strict=True))
                ),
                gate.retired.eq(self.retires[engine].valid),
                filled[engine].eq(queue.r_rdy),
                waiting[engine].eq(gate.waiting),
                flying[engine].eq(gate.flying),
                overflow[engine].eq(gate.overflow),
                self.stalls[engine].eq(gate.stalls),
                heads[engine].eq(data.View(HEADER, queue.r_data).layer),
            ]

        deadlock = Signal()
        m.d.comb += [
            dispatch.exhausted.eq(self.exhausted),
            dispatch.halt.eq(self.halt),
            dispatch.quiet.eq(~filled.any() & ~flying.any() & self.idles.all()),
            self.done.eq(dispatch.done),
            deadlock.eq(~self.halt & dispatch.blocked & filled.any() & (filled == waiting) & ~flying.any()),
        ]
        for engine in Engine:
            report, port = self.faults[engine], self.engines[engine]
            issued = Signal(12, name=f"issued_layer_{engine.name.lower()}")
            known = Signal(name=f"issued_{engine.name.lower()}")
            m.d.comb += [report.unit.eq(engine), report.layer.eq(issued), report.layer_known.eq(known)]
            with m.If(port.valid & port.ready):
                # An engine may see at once that it cannot run what it is given.
                m.d.comb += [report.layer.eq(heads[engine]), report.layer_known.eq(1)]
                m.d.sync += [issued.eq(heads[engine]), known.eq(1)]
            with m.If(self.engine_faults[engine] != Fault.NONE):
                m.d.comb += report.code.eq(self.engine_faults[engine])
            with m.Elif(overflow[engine]):
                m.d.comb += report.code.eq(Fault.TOKEN)
            with m.Elif(deadlock & waiting[engine] & ~waiting[:engine].any()):
                m.d.comb += [report.code.eq(Fault.DEADLOCK), report.layer.eq(heads[engine]), report.layer_known.eq(1)]
        m.d.comb += [
            self.faults[ENGINE_COUNT].code.eq(dispatch.fault),
            self.faults[ENGINE_COUNT].unit.eq(UNIT_DISPATCH),
            self.faults[ENGINE_COUNT].layer.eq(dispatch.layer),
            self.faults[ENGINE_COUNT].layer_known.eq(dispatch.fault == Fault.OPCODE),
        ]
        return m
