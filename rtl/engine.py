r"""What every engine promises: how it takes an instruction, retires it, counts events and stops.

::

    cycle        t      t+1   ...   r     r+1
    instr.valid  ‾‾‾‾‾‾\______________________     handshake in cycle t: the instruction is *issued* in t
    instr.ready  ‾‾‾‾‾‾\__ ...
    retire       ____________ ... _/‾‾‾\______     retired in cycle r: its tokens can be taken from r+1 on
    early        _______/‾\__ ... ____________     a token given ahead of that, to be taken from the next cycle on
"""

from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from rtl.counters import event_names
from rtl.isa import Engine
from rtl.isa_layout import TOKENS, WORD

__all__ = ["COMMIT_SPACING", "EVENT_BITS", "FAULT_BITS", "EngineSignature", "Retire", "commit_layout"]

EVENT_BITS = 40
"""Width of one instruction's event counts."""
FAULT_BITS = 4
COMMIT_SPACING = 4
"""Fewest cycles between two commits of an engine: its events are added to the totals over so many cycles."""


class Retire(data.Struct):
    """An instruction has had its whole effect: every byte it writes can be read."""

    valid: 1
    layer: 12
    signal: TOKENS


def commit_layout(engine: Engine) -> data.StructLayout:
    """One instruction's event counts, for the layer's totals."""
    return data.StructLayout(
        {"valid": 1, "layer": 12, "events": data.StructLayout(dict.fromkeys(event_names(engine), EVENT_BITS))}
    )


class EngineSignature(Signature):
    """Ports of every engine, seen from the engine.

    Members
    -------
    instr : stream of 256-bit words
        Instructions in program order, tokens already taken. ``ready`` does not depend on ``valid``.
    halt : In(1)
        A fault was raised somewhere, now or earlier: start nothing, write nothing; finish open AXI bursts.
    retire : Out(Retire)
        One pulse per instruction, in program order.
    early : Out(TOKENS)
        Engines that are given a token in this cycle, ahead of a retirement whose ``signal`` leaves them out. Never in
        the cycle of a retirement that signals the same engine.
    commit : Out(commit_layout)
        One pulse per instruction, in program order, at least COMMIT_SPACING cycles apart, in or before the cycle of
        ``retire``.
    idle : Out(1)
        Nothing issued is still to retire, and no AXI transaction is open. May fall only through an issue.
    fault : Out(4)
        A :class:`rtl.isa.Fault` for one cycle (or longer); 0 for none. A faulting write is suppressed, but for
        that of a sum without an accumulator: it may still reach another one, which nothing reads in a run that failed.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(
            {
                "instr": In(stream.Signature(WORD)),
                "halt": In(1),
                "retire": Out(Retire),
                "early": Out(TOKENS),
                "commit": Out(commit_layout(engine)),
                "idle": Out(1),
                "fault": Out(FAULT_BITS),
            }
        )
