"""The dense core: array, compute engine and post-processing engine, with ports for instructions and scratchpads."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.config import ArchConfig
from rtl.dense.array import SystolicArray
from rtl.dense.compute import ComputeEngine
from rtl.dense.gather import gather_ports
from rtl.dense.lane import accumulate_layout, drain_layout
from rtl.dense.post import PostEngine
from rtl.engine import EngineSignature
from rtl.isa import Engine, Fault
from rtl.isa_layout import ADDRESS_BITS
from rtl.scratchpad import write_port

__all__ = ["DenseCore"]


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
        reader = Out(wiring.Signature({"en": Out(1), "address": Out(ADDRESS_BITS), "data": In(8 * config.banks)}))
        super().__init__(
            {
                "compute": Out(EngineSignature(Engine.COMPUTE)),
                "post": Out(EngineSignature(Engine.POST)),
                "gather_ifm": gather["ifm"],
                "gather_ofm": gather["ofm"],
                "weight": reader,
                "params": reader,
                "skip_ifm": reader,
                "skip_ofm": reader,
                "write": Out(write_port(config.banks)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array = array = SystolicArray(self.config)
        m.submodules.compute_engine = compute = ComputeEngine(self.config)
        m.submodules.post_engine = post = PostEngine(self.config)
        connect(m, flipped(self.compute), compute.engine)
        connect(m, flipped(self.gather_ifm), compute.ifm)
        connect(m, flipped(self.gather_ofm), compute.ofm)
        connect(m, flipped(self.weight), compute.weight)
        connect(m, flipped(self.post), post.engine)
        for name in ("params", "skip_ifm", "skip_ofm", "write"):
            connect(m, flipped(getattr(self, name)), getattr(post, name))
        m.d.comb += [
            array.act.eq(compute.act),
            array.swap.eq(compute.swap),
            array.load.eq(compute.load),
            array.weight.eq(compute.weights),
            array.acc.eq(compute.acc),
            array.drain.eq(post.drain),
            array.side.eq(post.side),
            array.constants.eq(post.constants),
            post.out.eq(array.out),
        ]
        if self.config.dense.depthwise_taps:
            m.d.comb += [array.own.eq(compute.own), array.own_act.eq(compute.own_act)]

        # Each half has one read port: the array may not add into the half that drains.
        acc = data.View(accumulate_layout(self.config.memory.accumulators), compute.acc)
        drain = data.View(drain_layout(self.config.memory.accumulators), post.drain)
        clash = Signal()
        m.d.comb += clash.eq(acc.valid & ~acc.set & drain.valid & (acc.half == drain.half))
        with m.If(clash):
            m.d.comb += self.compute.fault.eq(Fault.BANK)
        return m
