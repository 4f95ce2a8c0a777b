"""The assembled engine: sums, cycles and events of random instructions equal specification and timing."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Elaboratable

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.counters import event_names
from rtl.engine import COMMIT_SPACING
from rtl.isa import Engine, Space, Sparse
from rtl.isa import encode as encode_instruction
from rtl.scratchpad import Scratchpad
from rtl.sparse.engine import SparseEngine
from rtl.sparse.layout import SparseLayout
from rtl.sparse.timing import SparseTiming
from rtl.sparse.work import sparse_work
from tests.rtl.bench import simulate
from tests.rtl.sparse.matrices import (
    Matrix,
    codebook_image,
    encode,
    memory_codes,
    pointer_image,
    random_codes,
    spmat_image,
    weights,
)


def small(rng: Random) -> ArchConfig:
    pes = rng.choice([1, 2, 4, 8])
    direct = rng.random() < 0.3
    code_bits = 8 if direct else rng.randint(2, 8)
    index_bits = rng.randint(2, 8)
    return ArchConfig(
        dense=None,
        sparse=SparseConfig(
            pes=pes, lanes=rng.choice([n for n in (1, 2, 4) if n <= pes]), fifo_depth=rng.choice([1, 2, 3, 8, 16]),
            weights="int8" if direct else "codebook", code_bits=code_bits, index_bits=index_bits,
            row_bytes=rng.choice([n for n in (1, 2, 4, 8) if 8 * n >= code_bits + index_bits]), spmat_kib=4,
            pointers=256, accumulators=rng.choice([8, 32, 64]), tables=rng.choice([1, 2, 4]),
        ),
        memory=MemoryConfig(ifm_kib=1, ofm_kib=2),
        bus=BusConfig(data_bytes=rng.choice([4, 8, 16])),
    )  # fmt: skip


class Bench(Elaboratable):
    """The engine between scratchpads of random bytes, with one matrix and codebooks loaded."""

    def __init__(self, config: ArchConfig, matrix: Matrix, books: np.ndarray, *, row: int, column: int) -> None:
        self.config, self.matrix, self.books, self.row, self.column = config, matrix, books, row, column
        self.dut = SparseEngine(config)
        kib = config.memory
        self.spads = {
            Space.IFM: Scratchpad(banks=config.banks, kib=kib.ifm_kib, reads=1, gather=True),
            Space.OFM: Scratchpad(banks=config.banks, kib=kib.ofm_kib, reads=1, gather=True),
        }
        self.issued: list[int] = []
        self.retired: list[int] = []
        self.committed: list[int] = []
        self.events: list[dict[str, int]] = []
        self.faults: list[int] = []
        self.zeroed = 0

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.dut = self.dut
        for space, spad in self.spads.items():
            m.submodules[space.name] = spad
            wiring.connect(m, getattr(self.dut, space.name.lower()), spad.gather)
        return m

    def run(self, bytes_of: dict[Space, np.ndarray], steps: list[tuple[Sparse, int]]) -> np.ndarray:
        """Run instructions, each that many cycles after it could; ``[halves * sums, pes]`` at the end."""
        loaded = {
            Space.SPMAT: (spmat_image(self.config, self.matrix), "row_stride", self.row),
            Space.POINTER: (pointer_image(self.config, self.matrix), "pointer_stride", self.column),
        }
        if self.config.sparse.weights == "codebook":
            loaded[Space.CODEBOOK] = (codebook_image(self.config, self.books), "codebook_stride", 0)
        sums: list[int] = []

        async def host(ctx):
            await self._fill(ctx, bytes_of, loaded)
            for instruction, pause in steps:
                await self._issue(ctx, instruction, pause)
            while not ctx.get(self.dut.engine.idle):
                await ctx.tick()
            await ctx.tick().repeat(3)
            sums.extend(await self._drain(ctx))

        simulate(self, host, background=[self._watch])
        return np.array(sums).reshape(-1, self.config.sparse.pes)

    async def _fill(self, ctx, bytes_of, loaded) -> None:
        beat = self.config.bus.data_bytes
        for space, spad in self.spads.items():
            for at in range(0, len(bytes_of[space]), self.config.banks):
                chunk = bytes_of[space][at : at + self.config.banks].tobytes()
                await _write(ctx, spad.write, address=at, count=len(chunk), data=int.from_bytes(chunk, "little"))
        for space, (image, stride, place) in loaded.items():
            start = place * getattr(SparseLayout(self.config), stride)
            for at in range(0, len(image), beat):
                word = int.from_bytes(image[at : at + beat], "little")
                await _write(ctx, self.dut.write, space=space, address=start + at, count=beat, data=word)
        await ctx.tick()

    async def _issue(self, ctx, instruction: Sparse, pause: int) -> None:
        instr = self.dut.engine.instr
        while not ctx.get(instr.ready):
            await ctx.tick()
        await ctx.tick().repeat(pause) if pause else None
        ctx.set(instr.payload, encode_instruction(instruction))
        ctx.set(instr.valid, 1)
        await ctx.tick()
        ctx.set(instr.valid, 0)

    async def _drain(self, ctx) -> list[int]:
        """All sums, twice: they are zero the second time."""
        sparse, dut = self.config.sparse, self.dut
        found = []
        for _ in range(2):
            for half in range(2):
                for address in range(sparse.accumulators):
                    for group in range(sparse.pes // sparse.lanes):
                        ctx.set(dut.drain, {"valid": 1, "half": half, "address": address, "group": group})
                        await ctx.tick()
                        ctx.set(dut.drain.valid, 0)
                        await ctx.tick()
                        packed = ctx.get(dut.sums)
                        words = [packed >> 32 * lane & 0xFFFF_FFFF for lane in range(sparse.lanes)]
                        found += [word - (word >> 31 << 32) for word in words]
        half = len(found) // 2
        assert not any(found[half:])
        return found[:half]

    async def _watch(self, ctx) -> None:
        e, cycle = self.dut.engine, -1
        while True:
            _, _, valid, ready, retire, commit, fault, zeroed = await ctx.tick().sample(
                e.instr.valid, e.instr.ready, e.retire, e.commit, e.fault, self.dut.zeroed
            )
            cycle += 1
            if not zeroed:
                self.zeroed = cycle + 1
            if valid and ready:
                self.issued.append(cycle)
            if retire.valid:
                self.retired.append(cycle)
            if commit.valid:
                self.committed.append(cycle)
                self.events.append({name: commit.events[name] for name in event_names(Engine.COMPUTE)})
            if fault:
                self.faults.append(fault)


async def _write(ctx, port, **fields: int) -> None:
    """One write, a cycle long."""
    for name, value in ({"en": 1} | fields).items():
        ctx.set(getattr(port, name), value)
    await ctx.tick()
    ctx.set(port.en, 0)


def random_sparse(rng: Random, config: ArchConfig, matrix: Matrix, sizes: dict[Space, int], **fields: int) -> Sparse:
    """Of as many elements as the matrix has columns, and as many vectors as there are sums for."""
    sparse = config.sparse
    columns = matrix.codes.shape[1]
    kx, ky = rng.choice([(kx, ky) for kx in range(1, 5) for ky in range(1, 5) if columns % (kx * ky) == 0])
    rows = -(-len(matrix.codes) // sparse.pes)
    first = rng.choice([0, rng.randint(0, sparse.accumulators - rows)])
    most = (sparse.accumulators - first) // rows
    w = rng.choice([1, rng.randint(1, most)])
    h = rng.choice([1, rng.randint(1, most // w)])
    source = rng.choice([Space.IFM, Space.OFM])
    strides = {
        "x_stride": rng.randint(0, 40), "y_stride": rng.randint(0, 90),
        "kx_stride": rng.randint(0, 40), "ky_stride": rng.randint(0, 90),
    }  # fmt: skip
    run = columns // (kx * ky)
    counts = (w, h, kx, ky)
    reach = sum(s * (n - 1) for s, n in zip(strides.values(), counts, strict=True)) + run
    if reach > sizes[source]:
        return random_sparse(rng, config, matrix, sizes, **fields)
    return Sparse(
        source=source, act=rng.randint(0, sizes[source] - reach), out_w=w, out_h=h, run=run, kx=kx, ky=ky,
        zero_point=rng.choice([0, -128, 7]), acc=rng.choice([0, sparse.accumulators]) + first, acc_stride=rows,
        table=rng.randrange(sparse.tables), **strides, **fields,
    )  # fmt: skip


def products(bench: Bench, i: Sparse, spad: np.ndarray) -> np.ndarray:
    """``[vectors, rows]``."""
    taps = i.ky_stride * np.arange(i.ky)[:, None] + i.kx_stride * np.arange(i.kx)
    offsets = (taps[..., None] + np.arange(i.run)).reshape(-1)
    vectors = i.act + (i.y_stride * np.arange(i.out_h)[:, None] + i.x_stride * np.arange(i.out_w)).reshape(-1)
    acts = spad.view(np.int8)[vectors[:, None] + offsets].astype(np.int64) - i.zero_point
    size = 1 << bench.config.sparse.code_bits
    book = bench.books[i.table * size : (i.table + 1) * size]
    return acts @ weights(bench.config, bench.matrix.codes, book).T


def check(bench: Bench, bytes_of: dict[Space, np.ndarray], steps: list[tuple[Sparse, int]]) -> None:
    sparse = bench.config.sparse
    found = bench.run(bytes_of, steps)
    assert not bench.faults
    assert bench.zeroed == sparse.accumulators
    codes = memory_codes(bench.config, bench.matrix, bench.row)
    pointers = np.zeros((sparse.pointers, sparse.pes), np.uint16)
    pointers[bench.column : bench.column + len(bench.matrix.pointers)] = bench.matrix.pointers
    works = [sparse_work(bench.config, i, bytes_of[Space(i.source)].view(np.int8), pointers, codes) for i, _ in steps]
    timing = SparseTiming(bench.config, works)
    assert len(bench.issued) == len(bench.retired) == len(bench.committed) == len(steps)
    for k, (i, pause) in enumerate(steps):
        assert bench.issued[k] == max(timing.ready(), bench.issued[0] if k == 0 else 0) + (pause if k else 0), k
        assert bench.retired[k] == timing.issue(bench.issued[k], i), f"{k}: {i}"
        assert bench.events[k] == dict.fromkeys(event_names(Engine.COMPUTE), 0) | timing.events[k], f"{k}: {i}"
    assert all(b - a >= COMMIT_SPACING for a, b in pairwise(bench.committed))

    expected = np.zeros((2 * sparse.accumulators, sparse.pes), np.int64)
    for i, _ in steps:
        for vector, sums in enumerate(products(bench, i, bytes_of[Space(i.source)])):
            for q, total in enumerate(sums):
                expected[i.acc + vector * i.acc_stride + q // sparse.pes, q % sparse.pes] += total
    np.testing.assert_array_equal(found, (expected + (1 << 31)) % (1 << 32) - (1 << 31))


@pytest.mark.parametrize("seed", range(16))
def test_random_instructions(seed: int) -> None:
    rng, numbers = Random(seed), np.random.default_rng(seed)
    config = small(rng)
    sparse = config.sparse
    rows = rng.choice([1, rng.randint(1, sparse.pes * sparse.accumulators // 2), sparse.pes])
    columns = rng.choice([1, 12, rng.randint(2, 60)])
    matrix = encode(random_codes(numbers, config, rows, columns), sparse.pes, sparse.longest_run)
    books = numbers.integers(-(1 << 15), 1 << 15, sparse.tables << sparse.code_bits).astype(np.int16)
    place = rng.randint(0, sparse.pointers - columns - 1)
    longest = max(len(entries) for entries in matrix.entries)
    bench = Bench(config, matrix, books, row=rng.randint(0, 9), column=place)
    assert longest // sparse.row_entries + 10 < 4096 // sparse.row_bytes
    sizes = {Space.IFM: 512, Space.OFM: 512}
    bytes_of = {}
    for space, size in sizes.items():
        values = numbers.integers(0, 256, size).astype(np.uint8)
        # Mostly some zero point that instructions have.
        zeros = numbers.random(size) < numbers.choice([0.0, 0.3, 0.9, 1.0])
        bytes_of[space] = np.where(zeros, numbers.choice([0, 0x80]), values).astype(np.uint8)
    steps = [
        (random_sparse(rng, config, matrix, sizes, column=place, entry=bench.row, layer=k), rng.choice([0, 0, 1, 40]))
        for k in range(4)
    ]
    check(bench, bytes_of, steps)
