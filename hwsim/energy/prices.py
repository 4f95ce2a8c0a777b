"""What each counted event costs, and which events cost nothing of their own: the one list that the model prices by.

An event may cost in several components (a weight read leaves a memory and is written to registers), but each thing
that the hardware does is in one line only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hwsim.energy.hardware import LANE_STATE_BITS, memories, queue_bits
from rtl.config import PARAM_BYTES
from rtl.sparse.layout import ACTIVATION_BITS, POINTER_BYTES, SparseLayout

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.energy.table import Dram, EventEnergy, SparseEnergy, Table
    from rtl.config import ArchConfig, DenseConfig, SparseConfig

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
        """A word (a byte of a scratchpad, 32 bits of an accumulator) leaves a memory; nothing does if there is none."""
        if memory not in self._memories:
            return 0.0
        found = self._memories[memory]
        kib = found.kib if found.shared and self.table.sram.per == "scratchpad" else found.bank_kib
        return self.table.sram.access_pj(kib, found.word_bits)

    def write(self, memory: str) -> float:
        """A word enters a memory, and every copy that its further read ports are."""
        return self.read(memory) * self._memories[memory].read_ports if memory in self._memories else 0.0

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


def _sums_rest(dense: DenseConfig) -> bool:
    return dense.dataflow == "output_stationary"


def _stream(costs: Costs) -> float:
    """Of all PEs in a cycle, used there or not: activations move right; sums move down, or weights do and sums stay."""
    config, dense = costs.config, costs.config.dense_engine
    if dense is None:
        return 0.0
    pes = dense.rows * dense.cols
    if _sums_rest(dense):
        return pes * (costs.hops(8 + 8) + costs.registers(config.psum_bits))
    return pes * costs.hops(8 + config.psum_bits)


def _weight(costs: Costs) -> float:
    """Into the shadow register and on into the active one. Weights that stream are in ``_stream``."""
    dense = costs.config.dense_engine
    return 0.0 if dense is None or _sums_rest(dense) else costs.hops(8) + costs.registers(8)


def _mac(costs: Costs) -> float:
    if costs.config.dense_engine is None:
        return 0.0
    return costs.multiply(8, 8) + costs.add(costs.config.psum_bits)


def _sum_read(costs: Costs) -> float:
    """Of whichever engine made the sum. Where there are both, of the one whose memories are dearer."""
    return max(costs.read("accumulator"), costs.read("sparse_sum") + costs.write("sparse_sum"))


def _of_sparse(pj: Callable[[Costs, SparseConfig], float]) -> Callable[[Costs], float]:
    """Nothing where there is no such engine: what it counts never occurs."""

    def price(costs: Costs) -> float:
        return pj(costs, costs.config.sparse_engine) if costs.config.sparse_engine is not None else 0.0

    return price


def _codebook_byte(costs: Costs, sparse: SparseConfig) -> float:
    """A value comes in a beat of its own, and goes into every PE."""
    return sparse.pes * costs.write("codebook") / SparseLayout(costs.config).codebook_stride


def _sparse_mac(costs: Costs, sparse: SparseConfig) -> float:
    def composed(which: SparseConfig) -> float:
        return costs.multiply(ACTIVATION_BITS, which.weight_bits) + costs.add(32)

    return _in_proportion(costs, sparse, composed, lambda measured: measured.entry.logic_pj)


def _broadcast(costs: Costs, sparse: SparseConfig) -> float:
    """A register in every PE: activation, pointer and first sum. The wire is a hop per PE."""

    def composed(which: SparseConfig) -> float:
        bits = ACTIVATION_BITS + 16 + (2 * which.accumulators - 1).bit_length()
        return costs.hops(bits) + costs.registers(queue_bits(which))

    return sparse.pes * _in_proportion(costs, sparse, composed, lambda measured: _whole(measured.take))


def _push(costs: Costs, sparse: SparseConfig) -> float:
    """A column into the queue, and out of it."""
    return _in_proportion(
        costs, sparse, lambda which: costs.registers(2 * queue_bits(which)), lambda measured: _whole(measured.push)
    )


def _sparse_state(costs: Costs, sparse: SparseConfig) -> float:
    """An entry's code, the weight, the activation and the sum behind them."""

    def composed(which: SparseConfig) -> float:
        return costs.registers(which.entry_bits + which.weight_bits + ACTIVATION_BITS + 32)

    return _in_proportion(costs, sparse, composed, lambda measured: measured.entry.register_pj)


def _padding(costs: Costs, sparse: SparseConfig) -> float:
    return _in_proportion(
        costs, sparse, lambda which: costs.registers(which.entry_bits), lambda measured: _whole(measured.padding)
    )


def _in_proportion(
    costs: Costs,
    sparse: SparseConfig,
    composed: Callable[[SparseConfig], float],
    measured: Callable[[SparseEnergy], float],
) -> float:
    """``composed`` of bits and operators; where the table has a PE's own figures, these, by what composes them."""
    known = costs.table.sparse
    return composed(sparse) if known is None else measured(known) * composed(sparse) / composed(known.pe)


def _whole(event: EventEnergy) -> float:
    return event.logic_pj + event.register_pj


def _sparse_memories(costs: Costs) -> float:
    """The weight is looked up; the sum is read and written."""
    return costs.read("codebook") + costs.read("sparse_sum") + costs.write("sparse_sum")


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
    Price("requantized", "sram", "sum read; one of the sparse engine is cleared", _sum_read),
    Price(
        "spmat_write_bytes", "sram", "sparse matrix written", _of_sparse(lambda c, s: c.write("spmat") / s.row_bytes)
    ),
    Price(
        "pointer_write_bytes", "sram", "pointer written", _of_sparse(lambda c, _: c.write("pointer") / POINTER_BYTES)
    ),
    Price("codebook_write_bytes", "sram", "codebooks of all PEs written", _of_sparse(_codebook_byte)),
    Price(
        "sparse_broadcasts",
        "sram",
        "two pointers read in each PE",
        _of_sparse(lambda c, s: 2 * s.pes * c.read("pointer")),
    ),
    Price("sparse_rows", "sram", "row of the sparse matrix read", _of_sparse(lambda c, _: c.read("spmat"))),
    Price("sparse_macs", "sram", "weight looked up; sum read and written", _sparse_memories),
    Price("macs", "mac", "8 x 8 bits, added to a partial sum", _mac),
    Price("sparse_macs", "mac", "activation times weight, added to the sum", _of_sparse(_sparse_mac)),
    Price("acc_reads", "mac", "partial sum added to the accumulator", lambda c: c.add(_ACC_BITS)),
    Price("requantized", "mac", "bias, and 24 x 24 bits", lambda c: c.multiply(24, 24) + 2 * c.add(_ACC_BITS)),
    Price("skip_ifm_bytes", "mac", "residual: two products of 8 x 17 bits", _blend),
    Price("skip_ofm_bytes", "mac", "residual: two products of 8 x 17 bits", _blend),
    Price("stream_cycles", "register", "activations, weights and sums, on by a PE", _stream),
    Price("weight_read_bytes", "register", "a weight that stays, to its PE", _weight),
    Price("param_read_bytes", "register", "a lane's parameters", lambda c: c.registers(8)),
    Price("acc_writes", "register", "the sum, kept for the next cycle", lambda c: c.registers(_ACC_BITS)),
    Price("sparse_broadcasts", "register", "activation and column, to each PE", _of_sparse(_broadcast)),
    Price("sparse_pushes", "register", "column queued", _of_sparse(_push)),
    Price("sparse_macs", "register", "entry, weight, activation and sum", _of_sparse(_sparse_state)),
    Price("sparse_padding", "register", "entry stepped over", _of_sparse(_padding)),
    Price("requantized", "register", "a lane's pipeline", lambda c: c.registers(LANE_STATE_BITS - 8 * PARAM_BYTES)),
)
"""Everything that is priced by event. Leakage and clock go by cycles."""

FREE: dict[str, str] = {
    "dram_read_bytes": "carried by dram_read_beats",
    "dram_write_bytes": "carried by dram_write_beats",
    "dram_read_bursts": "no source splits a DRAM access into row and column; carried by dram_read_beats",
    "dram_write_bursts": "no source splits a DRAM access into row and column; carried by dram_write_beats",
    "weight_tiles": "carried by weight_read_bytes",
    "sparse_cycles": "a cycle costs clock and leakage, by the model's own count of cycles",
    "sparse_stalls": "a cycle costs clock and leakage, waiting or not",
}
"""Events without a price, and why. Stalls have none either: a cycle costs clock and leakage, waiting or not."""
