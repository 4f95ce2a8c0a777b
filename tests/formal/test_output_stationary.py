"""The output-stationary array: sums go to the accumulators that their word names, weights are read where some are.

Or it is told. Sizes are powers of two: the specification counts in more bits than an address has.
"""

import pytest
from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data

from rtl.dense.loader import Loader
from rtl.dense.output_stationary.engine import OutputStationaryEngine
from tests.formal.compute import ACC, ENTRIES, LOW, ROWS, WIDE, ComputeSpec, config
from tests.formal.mutants import Bug
from tests.formal.spec import Inside, past

CONFIG = config("output_stationary", taps=0)
WEIGHT_BYTES = CONFIG.memory.weight_kib * 1024
PIXELS = 24
"""Bits that count the pixels of an instruction."""


class OutputStationarySpec(ComputeSpec):
    """Pixel m of an instruction goes to accumulator ``acc + m``, or to ``acc`` with ``hold``; with MAX once per tile.

    Sums leave in blocks of as many pixels as the array has rows, or as are left.
    """

    def specify(self, m: Module) -> None:
        engine = OutputStationaryEngine(CONFIG)
        self.free_ports(engine)
        m.submodules.engine = inside = Inside(engine)
        self.stops(m, engine.engine)
        self._blocks(m, engine, inside)
        self._leaves(m, engine, inside)
        self._arrives(m, engine, inside)
        self._weights(m, engine, inside)

    def _leaves(self, m: Module, engine: OutputStationaryEngine, inside: Inside) -> None:
        """Where the sum that leaves is meant to go: each block behind the one before, or once more to where it was."""
        loader = engine._loader
        first, its_half = self.loads(m, loader, inside)
        emitting, count, block_place, now = engine._leaving
        streaming, step, _, full, pixels, left, ends_pass = engine._tile
        base, half, hold = Signal(WIDE, name="base"), Signal(name="its_half"), Signal(name="its_hold")
        total, now_end = Signal(PIXELS, name="its_total"), Signal(WIDE, name="now_end")
        exact, block = Signal(WIDE, name="exact"), Signal(WIDE, name="exact_block")
        now_half, now_hold = Signal(name="now_half"), Signal(name="now_hold")
        begun, left_once = Signal(name="begun"), Signal(name="left_once")
        after = Signal(WIDE, name="exact_after")
        m.d.comb += after.eq(exact + (emitting & ~now_hold))
        m.d.sync += exact.eq(after)
        with m.If(inside["emits"] & ~engine.engine.halt):
            m.d.sync += [begun.eq(1), left_once.eq(1), now_half.eq(half), now_hold.eq(hold)]
            m.d.sync += now_end.eq(base + total)
            start = Mux(begun, Mux(left_once, block, after), base)
            m.d.sync += [exact.eq(start), block.eq(start)]
        with m.If(loader.take):
            with m.If(loader.tile.first):
                m.d.sync += [base.eq(first), half.eq(its_half), hold.eq(loader.word.hold), total.eq(engine._total)]
                m.d.sync += [begun.eq(0), left_once.eq(0)]
            with m.Elif(ends_pass):
                m.d.sync += left_once.eq(0)

        stream = data.View(loader.word.shape(), inside["stream"])
        self.lemma(m, "fields", self.told | ((stream.hold == hold) & (stream.acc[LOW] == half)))
        within = (base < ENTRIES) & (exact <= ENTRIES) & (block <= ENTRIES)
        self.lemma(m, "within", self.told | within)
        settles = Signal(WIDE, name="settles")
        m.d.comb += settles.eq(exact + Mux(emitting & ~now_hold, count, 0))
        next_block = Mux(begun, Mux(left_once, block, settles), base)
        self.lemma(m, "block", self.told | (block_place == next_block[: LOW + 1]))
        of_word = (now_half == half) & (now_hold == hold)
        # A block begins with the pixel that is the first of those left.
        here = Mux(hold, base, base + total - left)
        begins = Mux(left_once, block == here, settles == here)
        ends = settles == here + Mux(hold, 0, pixels)
        self.lemma(m, "block.begins", self.told | ~begun | (of_word & begins & (~left_once | ends)))
        self.lemma(m, "block.first", self.told | begun | ~streaming | (left == total))
        self.lemma(m, "once.begun", self.told | begun | ~left_once)
        self.lemma(m, "once.at_the_end", self.told | streaming | ~ends_pass | left_once)
        # No block begins to leave before the one before has left.
        in_time = Mux(streaming, count + step <= full, count <= pixels)
        self.lemma(m, "in_time", self.told | ~emitting | ((count != 0) & in_time))
        at_once = inside["emits"] & emitting & (count != 1)
        self.check(m, "block.leaves_whole", ~at_once | self.ends)
        self.lemma(m, "pixel", self.told | ~emitting | now_hold | (exact + count <= now_end))
        self.check(m, "sum.is_of_a_pixel", ~emitting | self.ends | now_hold | (exact < now_end))
        self.exact, self.half = exact, now_half
        right = (now.address == exact) & (now.half == now_half)
        self.check(m, "outside.is_told", ~emitting | (exact < ENTRIES) | self.ends)
        self.check(m, "sum.leaves_for_its_place", ~emitting | self.ends | right)

    def _blocks(self, m: Module, engine: OutputStationaryEngine, inside: Inside) -> None:
        """How many pixels a block has: the loader and the stream count them apart, the loader a tile ahead at most."""
        loader = engine._loader
        tile, full_tile = loader.tile, inside["loader.full"]
        _, _, _, full, pixels, left, ends_pass = engine._tile
        to_walk, total = engine._to_walk, engine._total
        in_block = Mux(left < ROWS, left, ROWS)
        self.lemma(m, "full", (pixels <= full) & (full <= ROWS))
        walked = full_tile & tile.pass_end
        before = Signal(PIXELS, name="to_walk_before")
        m.d.comb += before.eq(to_walk + Mux(walked, ROWS, 0))
        self.lemma(m, "walked.last", self.told | ~walked | (tile.last == (before <= ROWS)))
        begins = loader._setup | ((loader._loading | full_tile) & tile.first)
        self.lemma(m, "to_walk.begins", self.told | ~begins | ((before == total) & (total != 0)))
        goes_on = (loader._loading | full_tile) & ~tile.first
        same = before == left - Mux(ends_pass, ROWS, 0)
        more = ~ends_pass | (left > ROWS)
        self.lemma(m, "to_walk.goes_on", self.told | ~goes_on | (same & more & (left != 0) & (pixels == in_block)))
        self.lemma(m, "pixels", self.told | ~engine._tile[0] | ((pixels != 0) & (left != 0) & (pixels == in_block)))

    def _arrives(self, m: Module, engine: OutputStationaryEngine, inside: Inside) -> None:
        """It goes where it was meant to, some cycles later."""
        meant: tuple[Value, Value] = self.exact, self.half
        for age in range(1, 4):
            meant = past(m, meant[0], f"exact_{age}"), past(m, meant[1], f"half_{age}")
            control = data.View(ACC, inside[f"acc_{age}"])
            right = (meant[0] < ENTRIES) & (control.address == meant[0]) & (control.half == meant[1])
            self.lemma(m, f"acc_{age}", ~control.valid | self.told | right)
        acc = data.View(ACC, engine.acc)
        right = (meant[0] < ENTRIES) & (acc.address == meant[0]) & (acc.half == meant[1])
        self.check(m, "sum.goes_where_it_is_meant", ~acc.valid | self.told | right)
        self.reach(m, "last_accumulator", acc.valid & ~self.told & (acc.address == ENTRIES - 1))

    def _weights(self, m: Module, engine: OutputStationaryEngine, inside: Inside) -> None:
        """Weights are read beside the vectors, where the loader has found them to be."""
        loader = engine._loader
        tile, word, walk = loader.tile, loader.word, loader.row
        full_tile, macs = inside["loader.full"], inside["loader.macs"]
        decoded = ~loader._free & ~loader.decoding
        few = (word.filters != 0) & (word.filters <= CONFIG.dense.cols) & ~word.depthwise
        self.lemma(m, "weights.filters", self.told | ~decoded | few)
        # Of the tile that is walked so far.
        walked = (macs == walk.index * word.filters) & ((walk.index == 0) | (tile.weight + macs == walk.address))
        self.lemma(m, "weights.walked", self.told | ~loader._loading | walked)
        self.lemma(m, "weights.begin", self.told | ~full_tile | ((walk.index == 0) & (macs == 0)))
        # Of the tile that is ready.
        some = (tile.rows != 0) & (tile.rows <= ROWS)
        there = (tile.macs == tile.rows * word.filters) & (tile.weight + tile.macs <= WEIGHT_BYTES)
        self.lemma(m, "weights.ready", self.told | ~full_tile | (some & there))
        # Of the tile that streams.
        streaming, step, rows, *_ = engine._tile
        filters = data.View(word.shape(), inside["stream"]).filters
        goes_on = (loader._loading | full_tile) & ~tile.first
        self.lemma(m, "weights.stream", self.told | ~goes_on | (filters == word.filters))
        now = inside.signal("now", len(tile.weight))
        left = Signal(range(ROWS + 1), name="rows_left")
        m.d.comb += left.eq(rows - step)
        reads = streaming & (step < rows)
        within = now + left * filters <= WEIGHT_BYTES
        self.lemma(m, "weights.left", self.told | ~reads | ((rows <= ROWS) & (filters <= CONFIG.dense.cols) & within))
        read = engine.weight
        right = (read.address == now) & (read.address + filters <= WEIGHT_BYTES)
        self.check(m, "weights.in_scratchpad", ~read.en | self.ends | right)


@pytest.mark.slow
def test_output_stationary_sums_go_where_their_word_says(prove):
    prove(OutputStationarySpec(), depth=3)


@pytest.mark.slow
def test_the_proof_reaches_the_last_accumulator(reach):
    reach(OutputStationarySpec(), depth=18)


BUGS = [
    Bug("wraps around", OutputStationaryEngine, "outside.eq(emitting & place[low])", "outside.eq(0)",
        ("outside.is_told",)),
    Bug("moves on while it holds", OutputStationaryEngine, "with m.If(~hold):", "with m.If(1):",
        ("sum.leaves_for_its_place", "sum.goes_where_it_is_meant")),
    Bug("a block over the one before", OutputStationaryEngine, "block_place.eq(block_place + pixels)",
        "block_place.eq(block_place + 1)", ("sum.leaves_for_its_place", "sum.goes_where_it_is_meant")),
    Bug("more sums than pixels", OutputStationaryEngine, "pixels.eq(Mux(rest < rows, rest, rows))", "pixels.eq(rows)",
        ("sum.is_of_a_pixel",)),
    Bug("a row of weights too far", Loader, "held.weight.eq(address)", "held.weight.eq(address + w.filters)",
        ("weights.in_scratchpad",)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_seeded_bug_is_found(refute, bug):
    refute(OutputStationarySpec, bug, 24)
