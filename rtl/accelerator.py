"""The accelerator: control, engines, scratchpads, and the ports to the outside."""

from amaranth import Elaboratable, Module, Mux, ResetInserter, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from rtl.config import ArchConfig
from rtl.control.axi_lite import AxiLite
from rtl.control.issue import Issue
from rtl.control.layer_counters import LayerCounters
from rtl.control.registers import Registers
from rtl.control.run import UNIT_FETCH, Run
from rtl.core import Core
from rtl.csr import ADDRESS_BITS
from rtl.dma.axi import AxiRead, AxiWrite
from rtl.dma.fetch import FetchEngine
from rtl.dma.load import LoadEngine
from rtl.dma.store import StoreEngine
from rtl.dma.watch import ReadWatch, WriteWatch
from rtl.isa import ENGINE_COUNT, Engine, Fault, Space
from rtl.scratchpad import Scratchpad

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """A program-driven accelerator of quantised networks, as ``config`` describes it.

    ::

        s_axil -- registers -- run -- layer counters
                                |           |
        m_axi_fetch -- fetch -- issue ------+-------+---------+--------+
                                |                   |         |        |
        m_axi_data ----------- load              compute    post     store ------ m_axi_data
                                |                   |         |        |
                                +- IFM, WEIGHT -----+         |        |
                                +- IFM, PARAM ------|---------+        |
                                                    +-- OFM --+--------+

    The three AXI channels (fetch, load's read, store's write) never wait for each other, and every scratchpad has one
    writer: how long a program takes depends on the program, the configuration and the memory alone.

    Ports
    -----
    s_axil : AxiLite
        The registers of :mod:`rtl.csr`.
    m_axi_fetch : AxiRead
        Reads instructions.
    m_axi_data : AxiRead and AxiWrite
        Reads for LOAD, writes for STORE.
    irq : 1
        The run is done, or a fault has stopped it. Falls with the next start or clear.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        width = config.bus.data_bytes
        data_members = dict(AxiRead(width).members) | dict(AxiWrite(width).members)
        super().__init__(
            {
                "s_axil": wiring.In(AxiLite(ADDRESS_BITS)),
                "m_axi_fetch": Out(AxiRead(width)),
                "m_axi_data": Out(wiring.Signature(data_members)),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        registers, run, counters = Registers(config), Run(), LayerCounters(config.control.max_layers)
        fetch, issue = FetchEngine(config), Issue(config.control)
        load, store, core = LoadEngine(config), StoreEngine(config), Core(config)
        open_bursts = config.bus.outstanding
        watches = {"fetch": ReadWatch(open_bursts), "load": ReadWatch(open_bursts), "store": WriteWatch(open_bursts)}
        m.submodules.registers = registers
        m.submodules.run = run
        m.submodules.counters = counters

        # A run begins from the state after reset, whatever the one before it came to: its time depends on it alone.
        fresh = ResetInserter(run.reset)
        parts: dict[str, Elaboratable] = {"fetch": fetch, "issue": issue, "load": load, "store": store, "core": core}
        parts |= {f"watch_{name}": watch for name, watch in watches.items()}
        for name, part in parts.items():
            m.submodules[name] = fresh(part)

        self._connect_control(m, registers, run, counters)
        late = self._watch(m, registers, watches)
        self._connect_fetch(m, registers, run, fetch, issue, late["fetch"])
        engines = {
            Engine.LOAD: load.engine,
            Engine.COMPUTE: core.compute,
            Engine.POST: core.post,
            Engine.STORE: store.engine,
        }
        for engine, port in engines.items():
            self._connect_engine(m, engine, port, run, issue, counters)
            # A watched engine that has nothing to say for itself is late if its port is.
            if (waits := late.get(engine.name.lower())) is not None:
                m.d.comb += issue.engine_faults[engine].eq(Mux(port.fault != Fault.NONE, port.fault, waits))
            else:
                m.d.comb += issue.engine_faults[engine].eq(port.fault)
        m.d.comb += run.settled.eq(fetch.idle & issue.idles.all() & ~counters.busy)
        self._connect_dma(m, registers, load, store)
        self._connect_scratchpads(m, load, store, core)
        return m

    def _connect_control(self, m: Module, registers: Registers, run: Run, counters: LayerCounters) -> None:
        connect(m, flipped(self.s_axil), registers.bus)
        m.d.comb += [
            run.start.eq(registers.start),
            run.clear.eq(registers.clear),
            run.limit.eq(registers.cycle_limit),
            registers.busy.eq(run.busy),
            registers.done.eq(run.done),
            registers.fault.eq(run.fault),
            registers.cycle.eq(run.cycle),
            self.irq.eq(run.done | (run.fault.code != 0)),
            counters.clear.eq(run.wipe),
            run.cleared.eq(~counters.busy),
            counters.cycle.eq(run.cycle),
            counters.layer.eq(registers.layer),
            counters.index.eq(registers.index),
            registers.value.eq(counters.value),
        ]

    def _watch(self, m: Module, registers: Registers, watches: dict[str, ReadWatch | WriteWatch]) -> dict[str, Value]:
        """The fault of each port that waits in vain: TIMEOUT or NONE."""
        ports = {"fetch": self.m_axi_fetch, "load": self.m_axi_data, "store": self.m_axi_data}
        for name, watch in watches.items():
            m.d.comb += watch.limit.eq(registers.bus_timeout)
            for signal in watch.watched:
                m.d.comb += getattr(watch, signal).eq(getattr(ports[name], signal))
        return {name: Mux(watch.late, Fault.TIMEOUT, Fault.NONE) for name, watch in watches.items()}

    def _connect_fetch(
        self, m: Module, registers: Registers, run: Run, fetch: FetchEngine, issue: Issue, late: Value
    ) -> None:
        connect(m, fetch.axi, flipped(self.m_axi_fetch))
        connect(m, fetch.instr, issue.words)
        m.d.comb += [
            fetch.start.eq(run.begin),
            fetch.program.eq(registers.program),
            fetch.length.eq(registers.program_length),
            fetch.halt.eq(run.halt),
            issue.exhausted.eq(fetch.done),
            issue.halt.eq(run.halt),
            run.finish.eq(issue.done),
            run.faults[UNIT_FETCH].code.eq(Mux(fetch.fault != Fault.NONE, fetch.fault, late)),
            run.faults[UNIT_FETCH].unit.eq(UNIT_FETCH),
        ]
        for unit in range(ENGINE_COUNT + 1):
            m.d.comb += run.faults[unit].eq(issue.faults[unit])

    def _connect_engine(
        self,
        m: Module,
        engine: Engine,
        port: wiring.PureInterface,
        run: Run,
        issue: Issue,
        counters: LayerCounters,
    ) -> None:
        connect(m, issue.engines[engine], port.instr)
        m.d.comb += [
            port.halt.eq(run.halt),
            issue.retires[engine].eq(port.retire),
            issue.early[engine].eq(port.early),
            issue.idles[engine].eq(port.idle),
            counters.retires[engine].eq(port.retire),
            counters.stalls[engine].eq(issue.stalls[engine]),
            getattr(counters, f"commit_{engine.name.lower()}").eq(port.commit),
        ]

    def _connect_dma(self, m: Module, registers: Registers, load: LoadEngine, store: StoreEngine) -> None:
        # Both engines drive half of one AXI port.
        for half, signature in ((load.axi, load.axi.signature), (store.axi, store.axi.signature)):
            for name, member in signature.members.items():
                outer, inner = getattr(self.m_axi_data, name), getattr(half, name)
                m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
        for dma in (load, store):
            m.d.comb += [dma.dram_base.eq(registers.window_base), dma.dram_bytes.eq(registers.window_bytes)]

    def _connect_scratchpads(self, m: Module, load: LoadEngine, store: StoreEngine, core: Core) -> None:
        banks, sizes = self.config.banks, self.config.memory
        ifm = Scratchpad(banks=banks, kib=sizes.ifm_kib, reads=1, gather=True)
        ofm = Scratchpad(banks=banks, kib=sizes.ofm_kib, reads=2, gather=True)
        params = Scratchpad(banks=banks, kib=sizes.param_kib, reads=1)
        loaded = {Space.IFM: ifm, Space.PARAM: params}
        if self.config.dense_engine is not None:
            weight = Scratchpad(banks=banks, kib=sizes.weight_kib, reads=1)
            loaded[Space.WEIGHT] = weight
            connect(m, core.weight, weight.read0)
        if self.config.sparse_engine is not None:
            connect(m, load.write, core.load)
        for space, memory in (loaded | {Space.OFM: ofm}).items():
            m.submodules[f"{space.name.lower()}_memory"] = memory

        for space, memory in loaded.items():
            m.d.comb += [
                memory.write.en.eq(load.write.en & (load.write.space == space)),
                memory.write.address.eq(load.write.address),
                memory.write.count.eq(load.write.count),
                memory.write.data.eq(load.write.data),
            ]
        connect(m, core.write, ofm.write)
        connect(m, core.gather_ifm, ifm.gather)
        connect(m, core.gather_ofm, ofm.gather)
        connect(m, core.params, params.read0)
        connect(m, core.skip_ifm, ifm.read0)
        connect(m, core.skip_ofm, ofm.read0)
        connect(m, store.read, ofm.read1)
