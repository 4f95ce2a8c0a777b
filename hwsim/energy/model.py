"""The energy model: counted events and cycles in, picojoules by component out.

    energy[component] = sum over events of count * weight[component, event] + cycles * per_cycle[component]

Both are vectors of the configuration, so any number of layers is one matrix product. The events are those of
:data:`rtl.counters.COUNTERS`; what each costs is :data:`hwsim.energy.prices.PRICES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.energy.hardware import flip_flops, memories, multipliers, pe_bits
from hwsim.energy.prices import COMPONENTS, PRICES, Component, Costs
from hwsim.energy.scaling import scaling
from hwsim.energy.table import Dram, drams, load_table
from hwsim.errors import InputError
from hwsim.results import AreaMm2, EnergyPj, Technology
from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.energy.table import Table
    from rtl.config import ArchConfig

__all__ = ["EnergyModel", "Static"]

_PJ_PER_MW_AND_MHZ = 1000.0
"""1 mW is 1000 pJ in every cycle of 1 MHz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """What leaks, in mW."""

    sram: float
    logic: float


class EnergyModel:
    """Prices of one configuration.

    ``clock_mhz`` is the configuration's clock at the table's voltage; at another voltage it follows the alpha-power
    law, and :attr:`clock_mhz` says what is left of it.

    Raises:
        InputError: no such table, no such DRAM for it, or a voltage that it does not scale to.

    """

    def __init__(self, config: ArchConfig) -> None:
        asked = config.technology
        self.config = config
        self.table = load_table(asked.table)
        self.scaling = scaling(self.table, asked.voltage_v)
        self.dram_name, self.dram = _dram(self.table, asked.dram)
        self.clock_mhz = config.clock_mhz * self.scaling.clock
        self._weights = self._event_matrix()
        self._per_cycle = self._cycle_vector()

    @property
    def technology(self) -> Technology:
        """What the figures are of."""
        nominal = self.table.voltage_v.value if self.table.voltage_v else None
        return Technology(
            table=self.table.name,
            dram=self.dram_name,
            voltage_v=self.config.technology.voltage_v or nominal,
            energy_unit=self.table.unit,
        )

    def event_weights(self) -> NDArray[np.float64]:
        """``[counters]``: pJ of one more of each event, all components. What a mapper minimises energy by."""
        return self._weights.sum(axis=0)

    def event_pj(self, counter: str) -> dict[Component, float]:
        """What one event of ``counter`` costs, by component; those that it costs nothing in are left out."""
        index = next(i for i, known in enumerate(COUNTERS) if known.name == counter)
        return {name: float(pj) for name, pj in zip(COMPONENTS, self._weights[:, index], strict=True) if pj}

    def cycle_weight(self) -> float:
        """Energy of one more cycle, in pJ: clock and leakage."""
        return float(self._per_cycle.sum())

    def price(self, counters: NDArray[np.integer], cycles: NDArray[np.integer]) -> NDArray[np.float64]:
        """``[..., counters]`` and ``[...]`` to pJ ``[..., components]``, in the order of ``COMPONENTS``."""
        # Exact up to 2^53 events. No product of matrices: BLAS adds up in another order for another number of rows.
        events = np.asarray(counters, np.float64)
        return np.einsum("...e,ce->...c", events, self._weights) + np.asarray(cycles)[..., None] * self._per_cycle

    def energy(self, counters: NDArray[np.integer], cycles: NDArray[np.integer]) -> list[EnergyPj]:
        """As :meth:`price`, layer by layer: ``[layers, counters]`` and ``[layers]``."""
        return [EnergyPj(**dict(zip(COMPONENTS, row, strict=True))) for row in self.price(counters, cycles).tolist()]

    def leakage_mw(self) -> Static:
        """At the configuration's voltage. Zero where the table has none."""
        sram = self.table.sram.leakage_mw
        memory = sum(m.banks * m.read_ports * sram(m.bank_kib) for m in memories(self.config).values()) if sram else 0.0
        density = self.table.logic.leakage_mw_per_um2.value if self.table.logic else 0.0
        logic = density * self._logic_um2()
        return Static(sram=memory * self.scaling.leakage, logic=logic * self.scaling.leakage)

    def area_mm2(self) -> AreaMm2 | None:
        """Arithmetic, registers and memories; wires, pads and control logic apart. None where the table has none."""
        table, config = self.table, self.config
        if table.logic is None or table.sram.area_um2 is None:
            return None
        registers = flip_flops(config) * table.logic.register_um2.value
        sram = sum(m.banks * m.read_ports * table.sram.area_um2(m.bank_kib) for m in memories(config).values())
        return AreaMm2(mac=(self._logic_um2() - registers) / 1e6, register=registers / 1e6, sram=sram / 1e6)

    def _logic_um2(self) -> float:
        """Arithmetic and registers."""
        logic = self.table.logic
        if logic is None:
            return 0.0
        arithmetic = sum(
            count * (logic.multiply_um2((a * b) ** 0.5) + logic.add_um2(total))
            for count, a, b, total in multipliers(self.config)
        )
        return arithmetic + flip_flops(self.config) * logic.register_um2.value

    def _event_matrix(self) -> NDArray[np.float64]:
        """``[components, counters]``."""
        column = {counter.name: index for index, counter in enumerate(COUNTERS)}
        costs = Costs(self.table, self.dram, self.config)
        weights = np.zeros((len(COMPONENTS), len(COUNTERS)))
        for price in PRICES:
            # DRAM has a supply of its own.
            factor = 1.0 if price.component == "dram" else self.scaling.dynamic
            weights[COMPONENTS.index(price.component), column[price.counter]] += price.pj(costs) * factor
        return weights

    def _cycle_vector(self) -> NDArray[np.float64]:
        """``[components]``."""
        vector = np.zeros(len(COMPONENTS))
        clocked = self._clock_pj()
        vector[COMPONENTS.index("register")] = clocked * self.scaling.dynamic
        static = self.leakage_mw()
        vector[COMPONENTS.index("leakage")] = (static.sram + static.logic) / self.clock_mhz * _PJ_PER_MW_AND_MHZ
        return vector

    def _clock_pj(self) -> float:
        """Of all flip-flops in a cycle. A sparse PE's are gated: what is left when nothing comes, where it is known."""
        per_bit, bits = self.table.registers.clock_pj_per_bit.value, flip_flops(self.config)
        known, sparse = self.table.sparse, self.config.sparse_engine
        if known is None or sparse is None:
            return bits * per_bit
        inside = sparse.pes * pe_bits(sparse)
        return (bits - inside) * per_bit + inside * known.idle_pj.value / pe_bits(known.pe)


def _dram(table: Table, asked: str | None) -> tuple[str, Dram]:
    if isinstance(table.dram, Dram):
        if asked is not None:
            raise InputError(f"dram {asked}: in pJ, which {table.name} is not in; it has a DRAM of its own")
        return table.name, table.dram
    name = asked or table.dram
    return name, drams()[name]
