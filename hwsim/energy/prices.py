"""What each counted event costs, and which events cost nothing of their own: the one list that the model prices by.

An event may cost in several components (a weight read leaves a memory and is written to registers), but each thing
that the hardware does is in one line only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hwsim.energy.hardware import LANE_STATE_BITS, memories
from rtl.isa import PARAM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.energy.table import Dram, Table
    from rtl.config import ArchConfig

__all__ = ["COMPONENTS", "FREE", "PRICES", "Component", "Costs", "Price"]

Component = Literal["mac", "register", "sram", "dram", "leakage"]
COMPONENTS: tuple[Component, ...] = ("mac", "register", "sram", "dram", "leakage")
"""Where energy goes, in the order of every array of the model. Clock is in ``register``."""

_ACC_BITS = 32


class Costs:
    """Energies of the things that a configuration's hardware does, in the table's unit, at the table's voltage."""

    def __init__(self, table: Table, dram: Dram, config: ArchConfig) -> None:
        self.table = table
        self.dram = dram
        self.config = config
        self._memories = memories(config)

    def read(self, memory: str) -> float:
        """A word (a byte of a scratchpad, 32 bits of an accumulator) leaves a memory."""
        found = self._memories[memory]
        kib = found.kib if found.shared and self.table.sram.per == "scratchpad" else found.bank_kib
        return self.table.sram.access_pj(kib, found.word_bits)

    def write(self, memory: str) -> float:
        """A word enters a memory, and every copy that its further read ports are."""
        return self.read(memory) * self._memories[memory].read_ports

    def add(self, bits: int) -> float:
        """An addition."""
        return self.table.add(bits)

    def multiply(self, a_bits: int, b_bits: int) -> float:
        """A multiplication."""
        return self.table.multiply_pj(a_bits, b_bits)

    def registers(self, bits: int) -> float:
        """Bits written to flip-flops."""
        return bits * self.table.registers.write_pj_per_bit.value

    def hops(self, bits: int) -> float:
        """Bits that move on to the neighbouring PE."""
        return bits * self.table.registers.hop_pj_per_bit.value

    def beat(self) -> float:
        """A beat to or from DRAM: all its bytes move, asked for or not."""
        return 8 * self.config.bus.data_bytes * self.dram.pj_per_bit


@dataclass(frozen=True, slots=True)
class Price:
    """One thing that happens at every count of ``counter``."""

    counter: str
    component: Component
    what: str
    pj: Callable[[Costs], float]


def _blend(costs: Costs) -> float:
    return 2 * (costs.multiply(8, 17) + costs.add(34))


def _sums_rest(config: ArchConfig) -> bool:
    return config.dense.dataflow == "output_stationary"


def _stream(costs: Costs) -> float:
    """Of all PEs in a cycle, used there or not: activations move right; sums move down, or weights do and sums stay."""
    config = costs.config
    if _sums_rest(config):
        return config.macs_per_cycle * (costs.hops(8 + 8) + costs.registers(config.psum_bits))
    return config.macs_per_cycle * costs.hops(8 + config.psum_bits)


def _weight(costs: Costs) -> float:
    """Into the shadow register and on into the active one. Weights that stream are in ``_stream``."""
    return 0.0 if _sums_rest(costs.config) else costs.hops(8) + costs.registers(8)


PRICES: tuple[Price, ...] = (
    Price("dram_read_beats", "dram", "a beat from DRAM", Costs.beat),
    Price("dram_write_beats", "dram", "a beat to DRAM", Costs.beat),
    Price("ifm_write_bytes", "sram", "IFM written", lambda c: c.write("ifm")),
    Price("weight_write_bytes", "sram", "weight memory written", lambda c: c.write("weight")),
    Price("param_write_bytes", "sram", "parameter memory written", lambda c: c.write("param")),
    Price("ofm_write_bytes", "sram", "OFM written", lambda c: c.write("ofm")),
    Price("ifm_read_bytes", "sram", "IFM read", lambda c: c.read("ifm")),
    Price("ofm_read_bytes", "sram", "OFM read", lambda c: c.read("ofm")),
    Price("skip_ifm_bytes", "sram", "IFM read", lambda c: c.read("ifm")),
    Price("skip_ofm_bytes", "sram", "OFM read", lambda c: c.read("ofm")),
    Price("store_ofm_bytes", "sram", "OFM read", lambda c: c.read("ofm")),
    Price("weight_read_bytes", "sram", "weight memory read", lambda c: c.read("weight")),
    Price("param_read_bytes", "sram", "parameter memory read", lambda c: c.read("param")),
    Price("acc_reads", "sram", "accumulator read", lambda c: c.read("accumulator")),
    Price("acc_writes", "sram", "accumulator written", lambda c: c.write("accumulator")),
    Price("requantized", "sram", "accumulator read", lambda c: c.read("accumulator")),
    Price("macs", "mac", "8 x 8 bits, added to a partial sum", lambda c: c.multiply(8, 8) + c.add(c.config.psum_bits)),
    Price("acc_reads", "mac", "partial sum added to the accumulator", lambda c: c.add(_ACC_BITS)),
    Price("requantized", "mac", "bias, and 24 x 24 bits", lambda c: c.multiply(24, 24) + 2 * c.add(_ACC_BITS)),
    Price("skip_ifm_bytes", "mac", "residual: two products of 8 x 17 bits", _blend),
    Price("skip_ofm_bytes", "mac", "residual: two products of 8 x 17 bits", _blend),
    Price("stream_cycles", "register", "activations, weights and sums, on by a PE", _stream),
    Price("weight_read_bytes", "register", "a weight that stays, to its PE", _weight),
    Price("param_read_bytes", "register", "a lane's parameters", lambda c: c.registers(8)),
    Price("acc_writes", "register", "the sum, kept for the next cycle", lambda c: c.registers(_ACC_BITS)),
    Price("requantized", "register", "a lane's pipeline", lambda c: c.registers(LANE_STATE_BITS - 8 * PARAM_BYTES)),
)
"""Everything that is priced by event. Leakage and clock go by cycles."""

FREE: dict[str, str] = {
    "dram_read_bytes": "carried by dram_read_beats",
    "dram_write_bytes": "carried by dram_write_beats",
    "dram_read_bursts": "no source splits a DRAM access into row and column; carried by dram_read_beats",
    "dram_write_bursts": "no source splits a DRAM access into row and column; carried by dram_write_beats",
    "weight_tiles": "carried by weight_read_bytes",
}
"""Events without a price, and why. Stalls have none either: a cycle costs clock and leakage, waiting or not."""
