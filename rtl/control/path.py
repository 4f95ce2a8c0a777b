"""The path of an instruction, as one module: fetch and its queue, dispatch, an engine's queue and gate for each.

Both halves are the accelerator's own (:class:`rtl.dma.fetch.FetchEngine`, :class:`rtl.control.issue.Issue`), connected
as :class:`rtl.accelerator.Accelerator` does. It is there to be measured in one piece
(:mod:`hwsim.silicon.characterisation.control`): what the one's outputs do on their way is seen by the other.
"""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.config import ArchConfig
from rtl.control.gate import Stalls
from rtl.control.issue import Issue
from rtl.control.run import FaultReport
from rtl.dma.axi import ADDRESS_BITS, AxiRead
from rtl.dma.fetch import FetchEngine
from rtl.engine import FAULT_BITS, Retire
from rtl.isa import ENGINE_COUNT
from rtl.isa_layout import TOKENS, WORD

__all__ = ["TOP", "ControlPath"]

TOP = "control_path"
"""Name of the module."""


class ControlPath(wiring.Component):
    """From DRAM's beats to the engines' ports.

    Ports
    -----
    start, program, length, halt, axi
        As of :class:`rtl.dma.fetch.FetchEngine`.
    engines, retires, early, idles, stalls, done, faults
        As of :class:`rtl.control.issue.Issue`; engines have no faults.
    fault : 4
        The fetcher's.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "program": In(ADDRESS_BITS),
                "length": In(32),
                "halt": In(1),
                "axi": Out(AxiRead(config.bus.data_bytes)),
                "engines": Out(stream.Signature(WORD)).array(ENGINE_COUNT),
                "retires": In(Retire).array(ENGINE_COUNT),
                "early": In(TOKENS).array(ENGINE_COUNT),
                "idles": In(ENGINE_COUNT),
                "stalls": Out(Stalls).array(ENGINE_COUNT),
                "done": Out(1),
                "faults": Out(FaultReport).array(ENGINE_COUNT + 1),
                "fault": Out(FAULT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fetch = fetch = FetchEngine(self.config)
        m.submodules.issue = issue = Issue(self.config.control)
        connect(m, fetch.instr, issue.words)
        connect(m, fetch.axi, flipped(self.axi))
        m.d.comb += [
            fetch.start.eq(self.start),
            fetch.program.eq(self.program),
            fetch.length.eq(self.length),
            fetch.halt.eq(self.halt),
            issue.exhausted.eq(fetch.done),
            issue.halt.eq(self.halt),
            issue.idles.eq(self.idles),
            self.done.eq(issue.done),
            self.fault.eq(fetch.fault),
        ]
        for engine in range(ENGINE_COUNT):
            connect(m, issue.engines[engine], flipped(self.engines[engine]))
            m.d.comb += [
                issue.retires[engine].eq(self.retires[engine]),
                issue.early[engine].eq(self.early[engine]),
                self.stalls[engine].eq(issue.stalls[engine]),
            ]
        m.d.comb += [mine.eq(its) for mine, its in zip(self.faults, issue.faults, strict=True)]
        return m
