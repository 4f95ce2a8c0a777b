"""The AXI4-Lite slave: handshakes in any order, one effect per write, nothing lost and nothing twice."""

from random import Random

import pytest

from rtl.control.axi_lite import OKAY, SLVERR, AxiLiteSlave
from tests.rtl.bench import simulate
from tests.rtl.control.lite import read, write


class Words:
    """What is behind the slave: 1024 words, every fifth of which refuses."""

    def __init__(self, dut: AxiLiteSlave) -> None:
        self.dut = dut
        self.written: list[tuple[int, int, int]] = []

    @staticmethod
    def at(word: int) -> int:
        return word * 0x01010101 & 0xFFFF_FFFF

    async def serve(self, ctx):
        dut = self.dut
        asked = None
        while True:
            # Answers are there in the cycle after `read`, and only then.
            ctx.set(dut.read_data, 0xDEAD if asked is None else self.at(asked))
            ctx.set(dut.read_error, 0 if asked is None else asked % 5 == 0)
            ctx.set(dut.write_error, ctx.get(dut.write_word) % 5 == 0)
            if ctx.get(dut.write):
                self.written.append((ctx.get(dut.write_word), ctx.get(dut.write_data), ctx.get(dut.write_strobe)))
            asked = ctx.get(dut.read_word) if ctx.get(dut.read) else None
            await ctx.tick()


@pytest.mark.parametrize("seed", range(4))
def test_every_write_has_its_effect_once_and_in_order(seed):
    dut, rng = AxiLiteSlave(12), Random(seed)
    words = Words(dut)
    sent = [(rng.randrange(1024), rng.getrandbits(32), rng.choice([15, rng.randrange(16)])) for _ in range(60)]
    responses = []

    async def master(ctx):
        for word, data, strobe in sent:
            responses.append(await write(ctx, dut.bus, 4 * word, data, strobe=strobe, rng=rng))

    simulate(dut, master, background=[words.serve])
    assert words.written == sent
    assert responses == [OKAY if word % 5 else SLVERR for word, _, _ in sent]


@pytest.mark.parametrize("seed", range(4))
def test_every_read_gets_its_own_answer(seed):
    dut, rng = AxiLiteSlave(12), Random(seed)
    asked = [rng.randrange(1024) for _ in range(60)]
    answers = []

    async def master(ctx):
        answers[:] = [await read(ctx, dut.bus, 4 * word + rng.randrange(4), rng=rng) for word in asked]

    simulate(dut, master, background=[Words(dut).serve])
    assert answers == [(Words.at(word), OKAY if word % 5 else SLVERR) for word in asked]


def test_reads_and_writes_at_once():
    dut, words = AxiLiteSlave(12), []
    backend = Words(dut)

    async def writer(ctx):
        for word in range(1, 40):
            await write(ctx, dut.bus, 4 * word, word, rng=Random(word))

    async def reader(ctx):
        words[:] = [(await read(ctx, dut.bus, 4 * word))[0] for word in range(1, 40)]

    simulate(dut, writer, reader, background=[backend.serve])
    assert [w for w, _, _ in backend.written] == list(range(1, 40))
    assert words == [Words.at(word) for word in range(1, 40)]


def test_a_master_that_never_pauses_reads_every_three_cycles():
    dut, seen = AxiLiteSlave(12), []

    async def master(ctx):
        ctx.set(dut.bus.arvalid, 1)
        ctx.set(dut.bus.rready, 1)
        for cycle in range(30):
            if ctx.get(dut.bus.rvalid):
                seen.append(cycle)
            await ctx.tick()

    simulate(dut, master, background=[Words(dut).serve])
    assert seen == list(range(3, 30, 3))


def test_a_master_that_never_pauses_writes_every_two_cycles():
    dut = AxiLiteSlave(12)
    backend = Words(dut)

    async def master(ctx):
        for valid in (dut.bus.awvalid, dut.bus.wvalid, dut.bus.bready):
            ctx.set(valid, 1)
        for _ in range(30):
            await ctx.tick()

    simulate(dut, master, background=[backend.serve])
    assert len(backend.written) == 15


def test_a_response_waits_for_its_master():
    """With B and R never ready, each channel takes one transaction and answers it for as long as it takes."""
    dut = AxiLiteSlave(12)
    backend = Words(dut)

    async def master(ctx):
        for valid in (dut.bus.awvalid, dut.bus.wvalid, dut.bus.arvalid):
            ctx.set(valid, 1)
        ctx.set(dut.bus.araddr, 28)
        await ctx.tick().repeat(20)
        assert (ctx.get(dut.bus.bvalid), ctx.get(dut.bus.rvalid)) == (1, 1)
        assert ctx.get(dut.bus.rdata) == Words.at(7)

    simulate(dut, master, background=[backend.serve])
    assert len(backend.written) == 1
