"""Dispatch: every instruction of the program goes to the queue of its engine, in program order."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.engine import FAULT_BITS
from rtl.isa import ENGINE_COUNT, FORMATS, Engine, Fault, Opcode
from rtl.isa_layout import HEADER, WORD

__all__ = ["Dispatch"]


class Dispatch(wiring.Component):
    r"""Take words from the fetcher and push each into the queue of the engine that runs it.

    ::

        cycle            d     d+1
        words.valid    ‾‾‾‾‾‾\______     offered in d, and the queue has room: dispatched in d
        words.ready    ‾‾‾‾‾‾\______
        queue head     ______/‾‾‾‾‾‾     at the head of an empty queue in d+1

    At most one instruction per cycle. An instruction whose queue is full blocks those behind it. END stays at the
    head until ``quiet``, and is never taken: nothing behind it is looked at.

    Parameters
    ----------
    max_layers : int
        Layers that can be counted; an instruction of a higher one is a fault.

    Ports
    -----
    words : stream of 256-bit words
        The program.
    exhausted : 1
        No more words will come than the one that is offered.
    queues : four streams of 256-bit words
        One for each :class:`rtl.isa.Engine`.
    halt : 1
        Dispatch nothing, report nothing.
    quiet : 1
        Every queue is empty, and everything that was issued has retired.
    done : 1
        END is at the head, and all is ``quiet``.
    blocked : 1
        Nothing can be dispatched before an instruction is issued: the queue is full, or END waits.
    fault : 4
        A :class:`rtl.isa.Fault` while a word is at the head that cannot be run, or the program ended without END.
    layer : 12
        Of the word at the head.

    """

    def __init__(self, *, max_layers: int) -> None:
        self.max_layers = max_layers
        super().__init__(
            {
                "words": In(stream.Signature(WORD)),
                "exhausted": In(1),
                "queues": Out(stream.Signature(WORD)).array(ENGINE_COUNT),
                "halt": In(1),
                "quiet": In(1),
                "done": Out(1),
                "blocked": Out(1),
                "fault": Out(FAULT_BITS),
                "layer": Out(12),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header = data.View(HEADER, self.words.payload)
        target = Signal(ENGINE_COUNT)
        is_end = Signal()
        legal = Signal()
        own = Signal()
        live = Signal()

        with m.Switch(header.opcode):
            for opcode, kind in FORMATS.items():
                with m.Case(opcode):
                    if kind.ENGINE is None:
                        m.d.comb += is_end.eq(opcode == Opcode.END)
                    else:
                        m.d.comb += target[kind.ENGINE].eq(1)
        m.d.comb += [
            # A token from or to the engine itself: it runs in order, so the word can only be a mistake.
            own.eq((target & (header.wait | header.signal)).any()),
            legal.eq(is_end | (target.any() & ~own & (header.layer < self.max_layers))),
            live.eq(self.words.valid & ~self.halt),
            self.layer.eq(header.layer),
        ]

        room = Signal(ENGINE_COUNT)
        for engine, queue in zip(Engine, self.queues, strict=True):
            m.d.comb += [
                room[engine].eq(queue.ready),
                queue.payload.eq(self.words.payload),
                queue.valid.eq(live & legal & target[engine]),
            ]
        m.d.comb += [
            self.words.ready.eq(~self.halt & legal & (target & room).any()),
            self.done.eq(live & is_end & self.quiet),
            self.blocked.eq(live & legal & ~(target & room).any()),
        ]
        with m.If(live & ~legal):
            m.d.comb += self.fault.eq(Fault.OPCODE)
        with m.Elif(~self.words.valid & self.exhausted & ~self.halt):
            m.d.comb += self.fault.eq(Fault.PROGRAM)
        return m
