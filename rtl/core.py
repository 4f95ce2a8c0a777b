"""Everything between the scratchpads: the engines of COMPUTE and POST that a configuration has."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.compute.router import Router
from rtl.config import ArchConfig
from rtl.dense.core import DenseCore
from rtl.dense.gather import gather_ports
from rtl.dense.ports import reader
from rtl.engine import EngineSignature
from rtl.isa import Engine
from rtl.post.engine import PostEngine
from rtl.scratchpad import spad_write_port, write_port
from rtl.sparse.engine import SparseEngine

__all__ = ["Core"]


class Core(wiring.Component):
    """The dense engine, the sparse engine or both, and post-processing.

    Ports
    -----
    compute, post : EngineSignature
    gather_ifm, gather_ofm : gather ports
        Activations into either engine.
    weight : scratchpad read port
        With a dense engine.
    load : spad_write_port
        With a sparse engine: what is loaded, for the memories that it has of its own.
    params, skip_ifm, skip_ofm : scratchpad read ports
    write : scratchpad write port of OFM
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        gather = gather_ports(config)
        ports: dict[str, wiring.Member] = {
            "compute": Out(EngineSignature(Engine.COMPUTE)),
            "post": Out(EngineSignature(Engine.POST)),
            "gather_ifm": gather["ifm"],
            "gather_ofm": gather["ofm"],
            "params": Out(reader(config)),
            "skip_ifm": Out(reader(config)),
            "skip_ofm": Out(reader(config)),
            "write": Out(write_port(config.banks)),
        }
        if config.dense_engine is not None:
            ports["weight"] = Out(reader(config))
        if config.sparse_engine is not None:
            ports["load"] = In(spad_write_port(config.banks))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.post_engine = post = PostEngine(config)
        connect(m, flipped(self.post), post.engine)
        for name in ("params", "skip_ifm", "skip_ofm", "write"):
            connect(m, flipped(getattr(self, name)), getattr(post, name))
        engines: list[DenseCore | SparseEngine] = []
        if config.dense_engine is not None:
            m.submodules.dense = dense = DenseCore(config)
            connect(m, flipped(self.weight), dense.weight)
            m.d.comb += [
                dense.drain.eq(post.drain),
                dense.side.eq(post.side),
                dense.constants.eq(post.constants),
                post.out.eq(dense.out),
            ]
            engines.append(dense)
        if config.sparse_engine is not None:
            m.submodules.sparse = sparse = SparseEngine(config)
            connect(m, flipped(self.load), sparse.write)
            m.d.comb += [
                sparse.drain.eq(post.sparse_drain),
                post.sums.eq(sparse.sums),
                post.zeroed.eq(sparse.zeroed),
            ]
            engines.append(sparse)
        if len(engines) == 1:
            self._connect_one(m, engines[0])
        else:
            self._connect_both(m, *engines)
        return m

    def _connect_one(self, m: Module, engine: DenseCore | SparseEngine) -> None:
        connect(m, flipped(self.compute), engine.engine)
        connect(m, flipped(self.gather_ifm), engine.ifm)
        connect(m, flipped(self.gather_ofm), engine.ofm)

    def _connect_both(self, m: Module, dense: DenseCore, sparse: SparseEngine) -> None:
        """They share the scratchpads' ports: only one of them is at work."""
        m.submodules.router = router = Router()
        connect(m, flipped(self.compute), router.engine)
        connect(m, dense.engine, router.dense)
        connect(m, sparse.engine, router.sparse)
        for name in ("ifm", "ofm"):
            port = getattr(self, f"gather_{name}")
            for engine, mine in ((dense, ~router.sparse_now), (sparse, router.sparse_now)):
                its = getattr(engine, name)
                m.d.comb += its.data.eq(port.data)
                with m.If(mine):
                    m.d.comb += [port.en.eq(its.en), port.words.eq(its.words)]
