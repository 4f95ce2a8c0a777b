"""The dense core: compute engine and accumulator lanes."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.config import ArchConfig
from rtl.dense.gather import gather_ports
from rtl.dense.lane import accumulate_layout, drain_layout
from rtl.dense.lanes import Lanes
from rtl.dense.output_stationary.engine import OutputStationaryEngine
from rtl.dense.ports import reader
from rtl.dense.weight_stationary.engine import WeightStationaryEngine
from rtl.engine import EngineSignature
from rtl.isa import Engine, Fault
from rtl.requantise import Constants

__all__ = ["DATAFLOWS", "DenseCore"]

DATAFLOWS = {"weight_stationary": WeightStationaryEngine, "output_stationary": OutputStationaryEngine}
"""Compute engines by :attr:`rtl.config.DenseConfig.dataflow`."""


class DenseCore(wiring.Component):
    """Runs COMPUTE, and requantises what it is told to.

    Ports
    -----
    engine : EngineSignature
    ifm, ofm : gather ports
        Activations into the array.
    weight : scratchpad read port
    drain, side, constants, out
        As of :class:`rtl.dense.lanes.Lanes`.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        cols = config.dense.cols
        super().__init__(
            {
                "engine": Out(EngineSignature(Engine.COMPUTE)),
                "weight": Out(reader(config)),
                "drain": In(drain_layout(config.memory.accumulators).size),
                "side": In(8 * cols),
                "constants": In(Constants),
                "out": Out(8 * cols),
                **gather_ports(config),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.lanes = lanes = Lanes(self.config)
        m.submodules.compute_engine = compute = DATAFLOWS[self.config.dense.dataflow](self.config)
        for name in ("engine", "ifm", "ofm", "weight"):
            connect(m, flipped(getattr(self, name)), getattr(compute, name))
        m.d.comb += [
            lanes.psum.eq(compute.psum),
            lanes.acc.eq(compute.acc),
            lanes.drain.eq(self.drain),
            lanes.side.eq(self.side),
            lanes.constants.eq(self.constants),
            self.out.eq(lanes.out),
        ]

        # Each half has one read port: the array may not add into the half that drains.
        acc = data.View(accumulate_layout(self.config.memory.accumulators), compute.acc)
        drain = data.View(drain_layout(self.config.memory.accumulators), self.drain)
        clash = Signal()
        m.d.comb += clash.eq(acc.valid & ~acc.set & drain.valid & (acc.half == drain.half))
        with m.If(clash):
            m.d.comb += self.engine.fault.eq(Fault.BANK)
        return m
