"""The scan finds each activation that is not zero exactly once, in order, and one per cycle."""

from random import Random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Elaboratable
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.config import ArchConfig, BusConfig, MemoryConfig, SparseConfig
from rtl.isa import Sparse, encode
from rtl.scratchpad import Scratchpad
from rtl.sparse.chunks import Chunks
from rtl.sparse.latency import CHUNK_LATENCY
from rtl.sparse.scan import Scan
from tests.rtl.bench import simulate
from tests.rtl.sparse.test_work import vectors

CONFIG = ArchConfig(
    dense=None,
    sparse=SparseConfig(pes=1, lanes=1, pointers=256, accumulators=64),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=1),
    bus=BusConfig(data_bytes=8),
)


class Bench(Elaboratable):
    """Chunks and scan behind one another, on an IFM of the given bytes."""

    def __init__(self, memory: bytes) -> None:
        self.memory = memory
        self.chunks, self.scan = Chunks(CONFIG), Scan(CONFIG)
        self.ifm = Scratchpad(banks=CONFIG.banks, kib=1, reads=1, gather=True)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.chunks, m.submodules.scan, m.submodules.ifm = chunks, scan, ifm = self.chunks, self.scan, self.ifm
        wiring.connect(m, chunks.ifm, ifm.gather)
        m.d.comb += [
            chunks.take.eq(scan.chunk_take),
            scan.chunk_valid.eq(chunks.valid),
            scan.chunk.eq(chunks.chunk),
            scan.zero_point.eq(chunks.word.zero_point),
        ]
        return m

    def found(self, i: Sparse, *, rng: Random | None = None) -> tuple[list[tuple[int, int, int]], list[int]]:
        """Value, column and first sum of what is taken, and when; with ``rng``, held back at random."""
        taken: list[tuple[int, int, int]] = []
        cycles: list[int] = []

        async def host(ctx):
            for at in range(0, len(self.memory), 8):
                part = self.memory[at : at + 8]
                ctx.set(self.ifm.write.en, 1)
                ctx.set(self.ifm.write.address, at)
                ctx.set(self.ifm.write.count, len(part))
                ctx.set(self.ifm.write.data, int.from_bytes(part, "little"))
                await ctx.tick()
            ctx.set(self.ifm.write.en, 0)
            ctx.set(self.chunks.word.as_value(), encode(i))
            ctx.set(self.chunks.start, 1)
            await ctx.tick()
            ctx.set(self.chunks.start, 0)
            cycle = 0
            while not (ctx.get(self.chunks.done) and not ctx.get(self.scan.valid)):
                take = rng is None or rng.random() < 0.5
                ctx.set(self.scan.take, take and ctx.get(self.scan.valid))
                if take and ctx.get(self.scan.valid):
                    a = ctx.get(self.scan.activation)
                    taken.append((a.value, a.column, a.first_sum))
                    cycles.append(cycle)
                assert ctx.get(self.chunks.fault) == 0
                await ctx.tick()
                cycle += 1
                assert cycle < 5000

        simulate(self, host)
        return taken, cycles


def expected(memory: bytes, i: Sparse) -> list[tuple[int, int, int]]:
    """By the instruction's own words."""
    out = []
    for y in range(i.out_h):
        for x in range(i.out_w):
            for k in range(i.run * i.kx * i.ky):
                tap, c = divmod(k, i.run)
                place = i.act + x * i.x_stride + y * i.y_stride + c
                byte = memory[place + tap % i.kx * i.kx_stride + tap // i.kx * i.ky_stride]
                value = byte - 256 * (byte > 127) - i.zero_point
                if value:
                    out.append((value, i.column + k, i.acc + (x + y * i.out_w) * i.acc_stride))
    return out


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_every_activation_that_is_not_zero_is_found_once_and_in_order(data) -> None:
    zero_point = data.draw(st.sampled_from([0, -128, 5]))
    byte = st.one_of(st.just(zero_point % 256), st.integers(0, 255))
    memory = bytes(data.draw(st.lists(byte, min_size=256, max_size=256)))
    small = st.integers(1, 3)
    i = vectors(
        zero_point=zero_point, out_w=data.draw(small), out_h=data.draw(small), kx=data.draw(small), ky=data.draw(small),
        run=data.draw(st.integers(1, 20)), act=data.draw(st.integers(0, 50)), column=data.draw(st.integers(0, 60)),
        **{name: data.draw(st.integers(0, 20)) for name in ("x_stride", "y_stride", "kx_stride", "ky_stride")},
    )  # fmt: skip
    seed = data.draw(st.integers(0, 99))
    taken, _ = Bench(memory).found(i, rng=Random(seed) if seed % 2 else None)
    assert taken == expected(memory, i)


@pytest.mark.parametrize("gap", [1, 2, 5, 8, 16, 32])
def test_one_is_found_per_cycle_as_long_as_chunks_come_as_fast(gap: int) -> None:
    """One non-zero in every ``gap`` bytes of chunks of eight: sparser than one in a chunk, the chunks are the limit."""
    memory = bytes(1 if at % gap == 0 else 0 for at in range(256))
    _, cycles = Bench(memory).found(vectors(run=200))
    first = CHUNK_LATENCY + 1
    assert cycles[0] == first
    per_non_zero = max(1, gap // 8)
    assert cycles == [first + k * per_non_zero for k in range(len(cycles))]
