"""What a format of weights would cost on processing elements of its own, where the accelerator has none for it.

An estimate, by the precision of what the layer does on the int8 array, and marked as one wherever it is shown:

- a multiply-accumulate costs what :data:`MULTIPLIERS` says instead of an 8 x 8 bit one;
- weights take so many bits instead of 8 in DRAM, in the weight memory and on their way to the PEs;
- the upper plane of ``dual`` weights is a sparse matrix of bytes with indices of :data:`INDEX_BITS`; each of its
  entries costs a multiply-accumulate more;
- cycles, and with them leakage and clock, are those of the int8 array, and activations stay bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.passes.low_planes import planes
from hwsim.results import EnergyPj, WeightFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compiler.ir.formats import Arithmetic
    from compiler.ir.integer import Conv
    from hwsim.energy.model import EnergyModel
    from hwsim.energy.prices import Component

__all__ = ["INDEX_BITS", "MULTIPLIERS", "weight_format"]

INDEX_BITS = 4
"""Of an entry of the upper plane: the distance to the next one, as in EIE."""

MULTIPLIERS: Mapping[Arithmetic, Callable[[EnergyModel], float]] = {
    "int4": lambda m: m.table.multiply_pj(8, 4),
    "codebook": lambda m: m.table.multiply_pj(8, 8) + m.table.registers.hop_pj_per_bit.value * 8,
    "shift": lambda m: m.table.add(16),
    "ternary": lambda _: 0.0,
    "binary": lambda _: 0.0,
    "dual": lambda m: m.table.multiply_pj(8, 8),
}
"""Energy of an activation of 8 bits times a weight: of a table's value as it is read, of a shifter as an adder of its
width; a sign costs nothing, the addition of the product apart."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Of the energy of one component, in pJ."""

    component: Component
    pj: float


def weight_format(
    op: Conv, engine: str, counters: Mapping[str, int], energy: EnergyPj, model: EnergyModel
) -> WeightFormat | None:
    """The format of the weights of ``op``, and what it would cost where ``engine`` has no PE for it.

    ``counters`` and ``energy`` are of the layer as it runs on the accelerator. None where the model does not tell.
    """
    if op.format is None:
        return None
    name, bits, arithmetic = op.format.name, op.format.bits, op.format.arithmetic
    # The sparse engine's entries are int8 or codes of any table: what it runs, it has a PE for.
    if engine == "sparse" or arithmetic not in MULTIPLIERS:
        return WeightFormat(name=name, bits=bits, arithmetic=arithmetic, pe=True)
    parts = asdict(energy)
    for change in _changes(op, bits, arithmetic, counters, model):
        parts[change.component] += change.pj
    return WeightFormat(name=name, bits=bits, arithmetic=arithmetic, pe=False, energy_pj=EnergyPj(**parts))


def _changes(
    op: Conv, bits: int, arithmetic: Arithmetic, counters: Mapping[str, int], model: EnergyModel
) -> list[_Change]:
    dynamic = model.scaling.dynamic
    stored, upper = bits / 8, 0.0
    if arithmetic == "dual":
        upper = float(np.count_nonzero(planes(op.weights)[1])) / op.weights.size
        stored = 1 + upper * (8 + INDEX_BITS) / 8
    eight, added = model.table.multiply_pj(8, 8), model.table.add(model.config.psum_bits)
    product = MULTIPLIERS[arithmetic](model) - eight + upper * (eight + added)
    more = stored - 1
    changes = [
        _Change("mac", counters["macs"] * product * dynamic),
        _Change("dram", counters["weight_write_bytes"] * more * 8 * model.dram.pj_per_bit),
    ]
    for counter in ("weight_write_bytes", "weight_read_bytes"):
        changes += [_Change(part, counters[counter] * more * pj) for part, pj in model.event_pj(counter).items()]
    return changes
