"""The dense core: compute engine, accumulator lanes and post-processing engine, with ports for all around them."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out, connect, flipped

from rtl.config import ArchConfig
from rtl.dense.gather import gather_ports
from rtl.dense.lane import accumulate_layout, drain_layout
from rtl.dense.lanes import Lanes
from rtl.dense.output_stationary.engine import OutputStationaryEngine
from rtl.dense.ports import reader
from rtl.dense.post import PostEngine
from rtl.dense.weight_stationary.engine import WeightStationaryEngine
from rtl.engine import EngineSignature
from rtl.isa import Engine, Fault
from rtl.scratchpad import write_port

__all__ = ["DATAFLOWS", "DenseCore"]

DATAFLOWS = {"weight_stationary": WeightStationaryEngine, "output_stationary": OutputStationaryEngine}
"""Compute engines by :attr:`rtl.config.DenseConfig.dataflow`."""


class DenseCore(wiring.Component):
    """Everything between the activation scratchpads.

    Ports
    -----
    compute, post : EngineSignature
    gather_ifm, gather_ofm : gather ports
        Activations into the array.
    weight, params, skip_ifm, skip_ofm : scratchpad read ports
    write : scratchpad write port of OFM
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        gather = gather_ports(config)
        super().__init__(
            {
                "compute": Out(EngineSignature(Engine.COMPUTE)),
                "post": Out(EngineSignature(Engine.POST)),
                "gather_ifm": gather["ifm"],
                "gather_ofm": gather["ofm"],
                "weight": Out(reader(config)),
                "params": Out(reader(config)),
                "skip_ifm": Out(reader(config)),
                "skip_ofm": Out(reader(config)),
                "write": Out(write_port(config.banks)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.lanes = lanes = Lanes(self.config)
        m.submodules.compute_engine = compute = DATAFLOWS[self.config.dense.dataflow](self.config)
        m.submodules.post_engine = post = PostEngine(self.config)
        connect(m, flipped(self.compute), compute.engine)
        connect(m, flipped(self.gather_ifm), compute.ifm)
        connect(m, flipped(self.gather_ofm), compute.ofm)
        connect(m, flipped(self.weight), compute.weight)
        connect(m, flipped(self.post), post.engine)
        for name in ("params", "skip_ifm", "skip_ofm", "write"):
            connect(m, flipped(getattr(self, name)), getattr(post, name))
        m.d.comb += [
            lanes.psum.eq(compute.psum),
            lanes.acc.eq(compute.acc),
            lanes.drain.eq(post.drain),
            lanes.side.eq(post.side),
            lanes.constants.eq(post.constants),
            post.out.eq(lanes.out),
        ]

        # Each half has one read port: the array may not add into the half that drains.
        acc = data.View(accumulate_layout(self.config.memory.accumulators), compute.acc)
        drain = data.View(drain_layout(self.config.memory.accumulators), post.drain)
        clash = Signal()
        m.d.comb += clash.eq(acc.valid & ~acc.set & drain.valid & (acc.half == drain.half))
        with m.If(clash):
            m.d.comb += self.compute.fault.eq(Fault.BANK)
        return m
