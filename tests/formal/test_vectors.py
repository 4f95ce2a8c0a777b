"""The weight-stationary array asks the gather for the vectors that its word names, or it is told that there are none.

The specification walks x and y in numbers that do not wrap. The gather tells two cycles after it is asked.
"""

import pytest
from amaranth import Module, Mux, Signal
from amaranth.lib import data

from rtl.dense.gather import Gather
from rtl.dense.weight_stationary.engine import WeightStationaryEngine
from rtl.isa_layout import ADDRESS_BITS
from tests.formal.compute import ROWS, ComputeSpec, config
from tests.formal.mutants import Bug
from tests.formal.spec import Inside, past

WIDE = ADDRESS_BITS + 6
NEAR = 1 << (ADDRESS_BITS + 2)
"""What was read three cycles ago lies in a scratchpad; since then it is three strides at most."""
CONFIG = config("weight_stationary", taps=ROWS)
LARGER = max(CONFIG.memory.ifm_kib, CONFIG.memory.ofm_kib) * 1024


class VectorSpec(ComputeSpec):
    """Vector (x, y) of a tile begins at ``act + x * x_stride + y * y_stride``, and the tile's offset behind it."""

    def specify(self, m: Module) -> None:
        engine = WeightStationaryEngine(CONFIG)
        self.free_ports(engine)
        m.submodules.engine = inside = Inside(engine)
        self.stops(m, engine.engine)
        loader, gather = engine._loader, engine._gather
        base, row_end = engine._walk
        self.loads(m, loader, inside)
        word, tile = loader.word, loader.tile
        act, x_stride, y_stride = (
            Signal(ADDRESS_BITS, name="act"),
            Signal(16, name="x_stride"),
            Signal(24, name="y_stride"),
        )
        far_x, far_y, held = Signal(WIDE, name="far_x"), Signal(WIDE, name="far_y"), Signal(WIDE, name="offset_held")
        offset, exact = Signal(WIDE, name="offset"), Signal(WIDE, name="exact")
        m.d.comb += [offset.eq(Mux(gather.first, tile.offset, held)), exact.eq(act + far_x + far_y + offset)]
        m.d.sync += held.eq(offset)
        with m.If(gather.valid):
            m.d.sync += far_x.eq(far_x + x_stride)
            with m.If(row_end):
                m.d.sync += [far_x.eq(0), far_y.eq(far_y + y_stride)]
        with m.If(loader.take):
            m.d.sync += [act.eq(word.act), x_stride.eq(word.x_stride), y_stride.eq(word.y_stride)]
            m.d.sync += [far_x.eq(0), far_y.eq(0)]
        self.check(m, "vector.is_the_one_meant", ~gather.valid | self.ends | (gather.address == exact))
        asked = past(m, past(m, gather.valid & (exact >= LARGER), "outside"), "outside_2")
        self.check(m, "outside.is_told", ~asked | self.ends)

        stream = data.View(word.shape(), inside["stream"])
        same = (stream.x_stride == x_stride) & (stream.y_stride == y_stride)
        self.lemma(m, "strides", self.told | ~gather.valid | same)
        near = (exact < NEAR) & (far_x < NEAR) & (far_y < NEAR) & (offset < NEAR)
        self.lemma(m, "near", self.told | ~gather.valid | near)
        begins = (inside["row_base"] == (act + far_y)[: len(base)]) & (base == (act + far_x + far_y)[: len(base)])
        self.lemma(m, "begins", self.told | ~gather.valid | begins)
        self.lemma(m, "some_rows", self.told | ~gather.valid | (gather.rows != 0))
        # What the loader hands over.
        decoded = ~loader._free & ~loader.decoding
        possible = (word.run != 0) & (~word.depthwise | (word.run <= ROWS))
        self.lemma(m, "word.run", self.told | ~decoded | possible)
        handed = (tile.offset < LARGER) & (word.depthwise | (tile.rows != 0))
        self.lemma(m, "tile.ready", self.told | ~inside["loader.full"] | handed)


@pytest.mark.slow
def test_vectors_are_those_that_the_word_names_or_it_is_told(prove):
    prove(VectorSpec(), depth=5)


BUGS = [
    Bug("the next row behind the last vector", WeightStationaryEngine, "base.eq(row_base + s.y_stride), row",
        "base.eq(base + s.y_stride), row", ("vector.is_the_one_meant",)),
    Bug("wraps at four times the size", WeightStationaryEngine, "base, row_base = Signal(WIDE)",
        "base, row_base = Signal(12)", ("vector.is_the_one_meant",)),
    Bug("does not tell", Gather, "valid_1 & Cat(outside).any()", "0", ("outside.is_told",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(VectorSpec, bug, 14)
