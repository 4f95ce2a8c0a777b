"""What the two ways to OFM have in common: a POST walks one, a SPARSE_POST the other."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.config import ArchConfig
from rtl.dense.ports import reader
from rtl.engine import FAULT_BITS
from rtl.isa_layout import ADDRESS_BITS, WORD
from rtl.requantise import Constants
from rtl.scratchpad import write_port

__all__ = ["WIDE", "path_ports"]

WIDE = ADDRESS_BITS + 2
"""Address arithmetic: an in-range address plus a stride never wraps."""


def path_ports(config: ArchConfig) -> dict[str, wiring.Member]:
    """Ports of a path.

    Ports
    -----
    word : In(WORD)
        The instruction, while it is worked on.
    decode, start, step : In(1)
        It is new: check its fields. Set up. Take the next step of the walk.
    halt : In(1)
    last, live, values : Out(1), Out(1), Out
        The step is the last one; nothing forbids it; bytes that it makes.
    params, skip_ifm, skip_ofm : scratchpad read ports
        Enabled when something is read.
    write, written : Out(write_port), Out(1)
        Bytes of a step, some cycles later; those of an instruction's last step.
    busy : Out(1)
        Something is on its way to ``write``, or there.
    constants : In(Constants)
    fault : Out(4)
    """
    return {
        "word": In(WORD),
        "decode": In(1),
        "start": In(1),
        "step": In(1),
        "halt": In(1),
        "last": Out(1),
        "live": Out(1),
        "values": Out(range(config.banks + 1)),
        "params": Out(reader(config)),
        "skip_ifm": Out(reader(config)),
        "skip_ofm": Out(reader(config)),
        "write": Out(write_port(config.banks)),
        "written": Out(1),
        "busy": Out(1),
        "constants": In(Constants),
        "fault": Out(FAULT_BITS),
    }
