"""The control registers, as :mod:`rtl.csr` lists them."""

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl import csr
from rtl.config import ArchConfig
from rtl.control.axi_lite import AxiLite, AxiLiteSlave
from rtl.control.layer_counters import INDEX_BITS
from rtl.control.run import FaultReport
from rtl.counters import COUNTER_BITS, COUNTERS
from rtl.isa import ENGINE_COUNT

__all__ = ["Registers"]

_WORD_BITS = csr.ADDRESS_BITS - 2
_COUNTER_WORD = csr.COUNTER_BASE // 4
_RETIRE_WORD = csr.RETIRE_BASE // 4


class Registers(wiring.Component):
    """Give the run its parameters and commands, and let the host see what came of it.

    Ports
    -----
    bus : AxiLite
    start, clear : 1
        Pulses, only while not ``busy``.
    program, program_length, window_base, window_bytes, cycle_limit : 32
    bus_timeout : TIMEOUT_BITS
        Constant while ``busy``.
    busy, done : 1
    fault : FaultReport
    cycle : 48
    layer, index : unsigned
        Asks the layer counters.
    value : 48
        Their answer, a cycle later.
    """

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "bus": In(AxiLite(csr.ADDRESS_BITS)),
                "start": Out(1),
                "clear": Out(1),
                "program": Out(32),
                "program_length": Out(32),
                "window_base": Out(32),
                "window_bytes": Out(32),
                "cycle_limit": Out(32),
                "bus_timeout": Out(csr.TIMEOUT_BITS, init=csr.BUS_TIMEOUT),
                "busy": In(1),
                "done": In(1),
                "fault": In(FaultReport),
                "cycle": In(COUNTER_BITS),
                "layer": Out(12),
                "index": Out(INDEX_BITS),
                "value": In(COUNTER_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slave = slave = AxiLiteSlave(csr.ADDRESS_BITS)
        wiring.connect(m, wiring.flipped(self.bus), slave.bus)
        self._write(m, slave)
        self._read(m, slave)
        return m

    def _write(self, m: Module, slave: AxiLiteSlave) -> None:
        """A write of something that is not written, or not now, is refused and has no effect."""
        accept = Signal()
        m.d.comb += [slave.write_error.eq(~accept)]
        mask = Cat(strobe.replicate(8) for strobe in slave.write_strobe)
        with m.Switch(slave.write_word):
            for register in csr.REGISTERS.values():
                if register.access not in ("config", "command"):
                    continue
                with m.Case(register.address // 4):
                    m.d.comb += accept.eq(~self.busy)
                    with m.If(slave.write & accept):
                        if register.access == "config":
                            target = getattr(self, register.name)
                            m.d.sync += target.eq((target & ~mask) | (slave.write_data & mask))
                        else:
                            for field in register.fields:
                                strobed = slave.write_data & mask
                                m.d.comb += getattr(self, field.name).eq(strobed[field.offset])

    def _read(self, m: Module, slave: AxiLiteSlave) -> None:
        word = slave.read_word
        of_layer = Signal()
        high = Signal()
        retire = Signal(_WORD_BITS)
        counter = Signal(_WORD_BITS)
        is_retire = Signal()
        is_counter = Signal()
        m.d.comb += [
            high.eq(word[0]),
            retire.eq(word - _RETIRE_WORD),
            counter.eq(word - _COUNTER_WORD),
            is_retire.eq((word >= _RETIRE_WORD) & (retire < 2 * ENGINE_COUNT)),
            is_counter.eq((word >= _COUNTER_WORD) & (counter < 2 * len(COUNTERS))),
            of_layer.eq(is_retire | is_counter),
        ]
        with m.If(is_retire):
            m.d.comb += self.index.eq((retire >> 1) + len(COUNTERS))
        with m.Else():
            m.d.comb += self.index.eq(counter >> 1)

        cycles_hi = Signal(COUNTER_BITS - 32)
        with m.If(slave.read & (word == csr.REGISTERS["cycles_lo"].address // 4)):
            m.d.sync += cycles_hi.eq(self.cycle[32:])
        # Sampled in the cycle after `read`, as the counters' value is; hence the low word of the cycles is held too.
        cycles_lo = Signal(32)
        m.d.sync += cycles_lo.eq(self.cycle)

        values = self._values() | {"cycles_lo": cycles_lo, "cycles_hi": cycles_hi}
        with m.If(of_layer):
            m.d.comb += [
                slave.read_data.eq(self.value.word_select(high, 32)),
                slave.read_error.eq(self.busy | (self.layer >= self.config.control.max_layers)),
            ]
        with m.Else(), m.Switch(word):
            for register in csr.REGISTERS.values():
                if register.access != "layer":
                    with m.Case(register.address // 4):
                        m.d.comb += slave.read_data.eq(values.pop(register.name))
            with m.Default():
                m.d.comb += slave.read_error.eq(1)
        assert not values, f"not in the register map: {', '.join(values)}"

    def _values(self) -> dict[str, Value]:
        """What each register but those of layers reads as."""
        registers = csr.REGISTERS
        constants = {name: Const(word, 32) for name, word in csr.constants(self.config).items()}
        config = {r.name: getattr(self, r.name) for r in registers.values() if r.access == "config"}
        status = {"busy": self.busy, "done": self.done, "fault": self.fault.code != 0}
        fault = {name: self.fault[name] for name in ("code", "unit", "layer", "layer_known")}
        return (
            constants
            | config
            | {
                "control": Const(0, 32),
                "status": _pack(registers["status"], status),
                "fault": _pack(registers["fault"], fault),
            }
        )


def _pack(register: csr.Register, values: dict[str, Value]) -> Value:
    """The word whose fields have these values."""
    parts = []
    at = 0
    for field in register.fields:
        parts += [Const(0, field.offset - at), values.pop(field.name)[: field.width]]
        at = field.offset + field.width
    assert not values, f"not in {register.name}: {', '.join(values)}"
    return Cat(parts)
