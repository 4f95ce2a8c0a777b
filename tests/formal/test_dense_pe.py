"""Columns of the array: a sum that leaves is the exact sum of its products, whatever the bytes."""

import pytest
from amaranth import Module, Mux, Signal, Value, signed

from rtl.config import ArchConfig, DenseConfig, MemoryConfig
from rtl.dense.output_stationary.column import Column as OutputStationaryColumn
from rtl.dense.weight_stationary.column import Column as WeightStationaryColumn
from tests.formal.mutants import Bug
from tests.formal.spec import Inside, Spec

ROWS = 2
WIDE = 40
"""No sum of the specification wraps."""


def config(dataflow: str, taps: int) -> ArchConfig:
    return ArchConfig(
        dense=DenseConfig(rows=ROWS, cols=2, depthwise_taps=taps, dataflow=dataflow),
        memory=MemoryConfig(ifm_kib=1, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=16),
    )


class WeightStationarySpec(Spec):
    """Row r's product of cycle t + r is in the sum of cycle t + rows, with the weight that was active then."""

    def __init__(self, taps: int = ROWS) -> None:
        super().__init__()
        self.taps = taps

    def specify(self, m: Module) -> None:
        column = WeightStationaryColumn(config("weight_stationary", self.taps))
        self.free_ports(column)
        m.submodules.column = inside = Inside(column)
        total: Value = Signal(signed(WIDE), name="nothing")
        for r in range(ROWS):
            shadow, weight = Signal(8, name=f"its_shadow_{r}"), Signal(signed(8), name=f"its_weight_{r}")
            with m.If(column.load_i[r]):
                m.d.sync += shadow.eq(column.weight)
            with m.If(column.swap_i[r]):
                m.d.sync += weight.eq(shadow)
            byte = column.act_i.word_select(r, 8).as_signed()
            if r < self.taps:
                byte = Mux(column.own_i[r], column.own_act.as_signed(), byte)
            after = Signal(signed(WIDE), name=f"total_{r}")
            m.d.sync += after.eq(total + byte * weight)
            total = after
            self.lemma(m, f"weights_{r}", (inside[f"shadow_{r}"] == shadow) & (inside[f"weight_{r}"] == weight))
            most = (r + 1) << 14
            self.lemma(m, f"row_{r}", (inside[f"psum_{r}"] == after) & (after >= -most) & (after <= most))
        self.check(m, "sum.is_exact", column.psum_o == total)


class OutputStationarySpec(Spec):
    """The sum of a row, whichever: of its products from ``first`` to ``last``, modulo 2**32 as an accumulator is."""

    def specify(self, m: Module) -> None:
        column = OutputStationaryColumn(config("output_stationary", 0))
        self.free_ports(column)
        m.submodules.column = inside = Inside(column)
        # One row ends in a cycle: so it is where rows follow each other by a cycle.
        self.assume(m, (column.last_i & (column.last_i - 1))[:ROWS] == 0)
        weight: Value = column.weight.as_signed()
        for r in range(ROWS):
            total, ended = Signal(signed(32), name=f"total_{r}"), Signal(name=f"ended_{r}")
            product = Signal(signed(16), name=f"product_{r}")
            m.d.comb += product.eq(column.act_i.word_select(r, 8).as_signed() * weight)
            with m.If(column.first_i[r]):
                m.d.sync += total.eq(product)
            with m.Else():
                m.d.sync += total.eq(total + product)
            m.d.sync += ended.eq(column.last_i[r])
            self.lemma(m, f"row_{r}", (inside[f"psum_{r}"] == total) & (column.last_o[r] == ended))
            self.check(m, f"sum_{r}.is_exact", ~ended | (column.psum_o == total))
            below = Signal(signed(8), name=f"its_weight_{r + 1}")
            m.d.sync += below.eq(weight)
            if r + 1 < ROWS:
                self.lemma(m, f"weight_{r + 1}", inside[f"weight_{r + 1}"] == below)
            weight = below


@pytest.mark.parametrize("taps", [ROWS, pytest.param(0, marks=pytest.mark.slow)])
def test_a_weight_stationary_sum_is_exact(prove, taps):
    prove(WeightStationarySpec(taps), depth=ROWS + 2)


@pytest.mark.slow
def test_an_output_stationary_sum_is_exact(prove):
    prove(OutputStationarySpec(), depth=ROWS + 2)


WS_BUGS = [
    Bug("too narrow", WeightStationaryColumn, "self.psum_bits = config.psum_bits", "self.psum_bits = 16",
        ("sum.is_exact",)),
    Bug("unsigned weights", WeightStationaryColumn, 'weight = Signal(signed(8), name=f"weight_{r}"',
        'weight = Signal(8, name=f"weight_{r}"', ("sum.is_exact",)),
]  # fmt: skip
OS_BUGS = [
    Bug("keeps the sum before", OutputStationaryColumn, "Mux(self.first_i[r], 0, psum)", "psum",
        ("sum_0.is_exact", "sum_1.is_exact")),
    Bug("ends a cycle early", OutputStationaryColumn, "Mux(self.last_o[r], psum, 0)", "Mux(self.last_i[r], psum, 0)",
        ("sum_0.is_exact", "sum_1.is_exact")),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", WS_BUGS, ids=str)
def test_a_seeded_bug_of_the_weight_stationary_column_is_found(refute, bug):
    refute(WeightStationarySpec, bug, 6)


@pytest.mark.slow
@pytest.mark.parametrize("bug", OS_BUGS, ids=str)
def test_a_seeded_bug_of_the_output_stationary_column_is_found(refute, bug):
    refute(OutputStationarySpec, bug, 6)
