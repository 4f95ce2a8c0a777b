"""A processing element on its own: no bubble from the walk on, nothing queued for an empty column."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.config import ArchConfig, BusConfig, SparseConfig
from rtl.sparse.latency import MAC_LATENCY
from rtl.sparse.layout import SparseLayout
from rtl.sparse.pe import ProcessingElement
from rtl.sparse.recursion import flow
from tests.rtl.bench import simulate
from tests.rtl.sparse.matrices import encode, spmat_image

SUMS = 16


def architecture(fifo_depth: int) -> ArchConfig:
    return ArchConfig(
        dense=None,
        sparse=SparseConfig(
            pes=1, lanes=1, fifo_depth=fifo_depth, weights="int8", code_bits=8, index_bits=2, row_bytes=8, spmat_kib=1,
            pointers=64, accumulators=SUMS,
        ),
        bus=BusConfig(data_bytes=8),
    )  # fmt: skip


class Run:
    """Columns of a matrix of int8, multiplied one after the other, each as soon as there is room for it."""

    def __init__(self, fifo_depth: int, codes: np.ndarray, order: list[int], *, rng: Random | None = None) -> None:
        self.config = architecture(fifo_depth)
        self.matrix = encode(codes, 1, self.config.sparse.longest_run)
        self.sent: list[int] = []
        self.queued: list[int] = []
        self.worked: list[int] = []
        self.busy = 0
        self.rows = 0
        self.sums: list[int] = []
        dut = ProcessingElement(self.config)

        async def host(ctx):
            await self._fill(ctx, dut)
            for address in range(SUMS):
                ctx.set(dut.zero_en, 1)
                ctx.set(dut.zero_address, address)
                await ctx.tick()
            ctx.set(dut.zero_en, 0)
            await self._multiply(ctx, dut, list(order), rng)
            for address in range(SUMS):
                ctx.set(dut.drain_en, 1)
                ctx.set(dut.drain_address, address)
                await ctx.tick()
                self.sums.append(ctx.get(dut.drain_data))

        simulate(dut, host)

    async def _fill(self, ctx, dut: ProcessingElement) -> None:
        image, size = spmat_image(self.config, self.matrix), SparseLayout(self.config).row_stride
        for at in range(0, len(image), size):
            ctx.set(dut.spmat_en, 1)
            ctx.set(dut.spmat_address, at // size)
            ctx.set(dut.spmat_data, int.from_bytes(image[at : at + size], "little"))
            await ctx.tick()
        ctx.set(dut.spmat_en, 0)
        for column, pointer in enumerate(self.matrix.pointers[:, 0]):
            ctx.set(dut.pointer_en, 1 << column % 2)
            ctx.set(dut.pointer_address, column // 2)
            ctx.set(dut.pointer_data, int(pointer))
            await ctx.tick()
        ctx.set(dut.pointer_en, 0)

    async def _multiply(self, ctx, dut: ProcessingElement, order: list[int], rng: Random | None) -> None:
        cycle = 0
        while order or ctx.get(dut.busy):
            send = bool(order) and ctx.get(dut.ready) and (rng is None or rng.random() < 0.6)
            ctx.set(dut.take, send)
            if send:
                ctx.set(dut.column, order[0])
                ctx.set(dut.value, order[0] + 1)
                order.pop(0)
                self.sent.append(cycle)
            self.rows += ctx.get(dut.row_read)
            if ctx.get(dut.queued):
                self.queued.append(cycle)
            if ctx.get(dut.mac) or ctx.get(dut.padding):
                self.worked.append(cycle)
            if ctx.get(dut.busy):
                self.busy = cycle
            assert not ctx.get(dut.fault)
            await ctx.tick()
            cycle += 1
            assert cycle < 4000


def predicted(run: Run, order: list[int]) -> tuple[int, ...]:
    """Last cycle of work, columns queued, entries and rows, had the columns come one in a cycle of their own."""
    pointers = run.matrix.pointers.astype(np.int32)
    one = np.ones(len(order), np.int32)
    _, sent, busy, _, *counts = flow(
        one, np.array(order, np.int32), pointers[:-1].copy(), pointers[1:].copy(), 0, 0,
        run.config.sparse.fifo_depth, run.config.sparse.row_entries,
    )  # fmt: skip
    return (busy - sent, *counts)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_sums_are_products_however_columns_come(data) -> None:
    columns = data.draw(st.integers(1, 12))
    weight = st.one_of(st.just(0), st.just(0), st.integers(1, 255))
    codes = np.array(
        data.draw(st.lists(st.lists(weight, min_size=columns, max_size=columns), min_size=1, max_size=SUMS)), np.uint8
    )
    order = data.draw(st.lists(st.integers(0, columns - 1), min_size=1, max_size=20))
    run = Run(data.draw(st.integers(1, 4)), codes, order, rng=Random(data.draw(st.integers(0, 99))))
    values = np.bincount(order, minlength=columns) * (np.arange(columns) + 1)
    expected = codes.view(np.int8).astype(np.int64) @ values
    assert run.sums[: len(codes)] == expected.tolist()
    assert run.sums[len(codes) :] == [0] * (SUMS - len(codes))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_it_takes_what_the_recursion_says(data) -> None:
    columns = data.draw(st.integers(1, 12))
    kept = data.draw(st.lists(st.booleans(), min_size=8 * columns, max_size=8 * columns))
    codes = np.array(kept, np.uint8).reshape(8, columns)
    order = data.draw(st.lists(st.integers(0, columns - 1), min_size=1, max_size=30))
    run = Run(data.draw(st.integers(1, 4)), codes, order)
    busy, pushes, entries, rows = predicted(run, order)
    assert (len(run.queued), len(run.worked), run.rows) == (pushes, entries, rows)
    assert run.busy - run.sent[-1] == busy


def test_entries_follow_one_another_without_a_bubble() -> None:
    """Columns of one entry each, in one row of the matrix: read, add and write the same sum in every cycle."""
    codes = np.zeros((4, 30), np.uint8)
    codes[2] = 5
    run = Run(8, codes, list(range(30)))
    first = run.worked[0]
    assert run.worked == list(range(first, first + 30))
    assert run.sums[2] == 5 * sum(range(1, 31))
    assert run.busy == run.worked[-1] + MAC_LATENCY - 1


@pytest.mark.parametrize("fifo_depth", [1, 3, 8])
def test_an_empty_column_takes_no_place(fifo_depth: int) -> None:
    """A long column, then as many others as wait behind it: empty ones pass however many there are."""
    codes = np.ones((SUMS, 40), np.uint8)
    codes[:, 1:-1] = 0
    codes[0, [7, 9]] = 1
    run = Run(fifo_depth, codes, list(range(40)))
    assert len(run.queued) == 4
    if fifo_depth >= 3:
        assert run.sent == list(range(run.sent[0], run.sent[0] + 40))
