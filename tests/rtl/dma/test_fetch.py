"""Instruction fetch: every word in order, each offered in the cycle that the model says."""

from random import Random

import pytest

from rtl.config import ArchConfig
from rtl.dma.fetch import FetchEngine
from rtl.dma.timing_fetch import FetchTiming, fetch_block_bytes
from rtl.isa import INSTRUCTION_BYTES, Fault
from tests.rtl.bench import simulate
from tests.rtl.dma.dram import Dram
from tests.rtl.dma.programs import arch, random_arch

START = 3


class Run:
    """Fetches ``length`` instructions; the k-th is taken ``gaps[k]`` cycles after it was first offered."""

    def __init__(
        self,
        config: ArchConfig,
        length: int,
        *,
        program: int = 0,
        gaps: list[int] | None = None,
        dram_end: int = 1 << 16,
        back_pressure: Random | None = None,
        halt_at: int | None = None,
        cycles: int | None = None,
    ) -> None:
        gaps = gaps or [0] * length
        self.memory = Random(3).randbytes(dram_end)
        self.words: list[int] = []
        self.offered: list[int] = []
        self.taken: list[int] = []
        self.done: list[int] = []
        self.faults: list[int] = []
        self.idle = False
        dram = config.dram
        self.dram = Dram(
            bytearray(self.memory), latency=dram.latency_cycles, interval=dram.beat_interval, rng=back_pressure
        )
        dut = FetchEngine(config)

        async def consumer(ctx):
            cycle = 0
            ctx.set(dut.program, program)
            ctx.set(dut.length, length)
            while True:
                ready = len(self.offered) > len(self.taken) and cycle >= self.offered[-1] + gaps[len(self.taken)]
                if len(self.taken) < length and gaps[len(self.taken)] == 0:
                    ready = True
                ctx.set(dut.start, cycle == START)
                ctx.set(dut.instr.ready, ready)
                ctx.set(dut.halt, halt_at is not None and cycle >= halt_at)
                _, _, valid, word, fault, done, idle = await ctx.tick().sample(
                    dut.instr.valid, dut.instr.payload, dut.fault, dut.done, dut.idle
                )
                if valid and len(self.offered) == len(self.taken):
                    self.offered.append(cycle)
                if valid and ready:
                    self.taken.append(cycle)
                    self.words.append(word)
                if fault:
                    self.faults.append(fault)
                if done:
                    self.done.append(cycle)
                self.idle = bool(idle)
                cycle += 1
                if (cycle == cycles) if cycles else self.done:
                    return
                assert cycle < 20_000, "fetch hangs"

        simulate(dut, consumer, background=[self.dram.reads(dut.axi)])

    def expect(self, program: int, length: int) -> list[int]:
        words = range(program, program + length * INSTRUCTION_BYTES, INSTRUCTION_BYTES)
        return [int.from_bytes(self.memory[at : at + INSTRUCTION_BYTES], "little") for at in words]


def check_cycles(config: ArchConfig, length: int, run: Run, *, program: int) -> None:
    model = FetchTiming(config, length, program=program, start=START)
    for index, (offered, taken) in enumerate(zip(run.offered, run.taken, strict=True)):
        assert offered == model.offered(index), f"instruction {index}"
        model.taken(index, taken)
    assert run.done[0] == run.taken[-1] + 1


def test_first_instruction():
    """Start, address two cycles later, four beats of 8 bytes after the latency, offered in the cycle after."""
    run = Run(arch(latency=10), 1)
    assert run.offered == [START + 2 + 10 + 3 + 1]
    assert run.words == run.expect(0, 1)


def test_bursts_are_a_quarter_of_the_queue():
    """The first ends at the block's boundary, the last with the program."""
    config = arch(data_bytes=16, burst_beats=64, fetch_depth=16)
    assert fetch_block_bytes(config) == 4 * INSTRUCTION_BYTES
    run = Run(config, 8, program=4096 + 96)
    assert run.dram.bursts == [(4192, 2), (4224, 8), (4352, 6)]


def test_never_more_than_the_queue_holds():
    """With nobody taking, the queue fills and the bus goes quiet."""
    config = arch(fetch_depth=8)
    run = Run(config, 40, gaps=[1000] * 40, cycles=400)
    assert sum(beats for _, beats in run.dram.bursts) * 8 == 8 * INSTRUCTION_BYTES
    assert run.idle


def test_empty_program():
    run = Run(arch(), 0)
    assert run.done == [START + 1]
    assert run.dram.bursts == []


@pytest.mark.parametrize("seed", range(40))
def test_random(seed):
    """Any configuration, place and consumer: the words, and the cycle of each."""
    rng = Random(seed)
    config = random_arch(rng)
    length = rng.choice([1, 2, rng.randint(3, 20), rng.randint(20, 60)])
    program = INSTRUCTION_BYTES * rng.randint(0, 300)
    longest = rng.choice([0, 3, 40])
    gaps = [rng.choice([0, rng.randint(0, longest)]) for _ in range(length)]
    run = Run(config, length, program=program, gaps=gaps)
    assert run.words == run.expect(program, length)
    check_cycles(config, length, run, program=program)


@pytest.mark.parametrize("seed", range(5))
def test_random_back_pressure(seed):
    rng = Random(seed)
    config = random_arch(rng)
    run = Run(config, 30, program=32, gaps=[rng.randint(0, 3) for _ in range(30)], back_pressure=rng)
    assert run.words == run.expect(32, 30)


def test_the_check_can_fail():
    config, other = arch(latency=10), arch(latency=11)
    with pytest.raises(AssertionError, match="instruction 0"):
        check_cycles(other, 2, Run(config, 2), program=0)


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        pytest.param(8, Fault.DRAM, id="not a multiple of 32"),
        pytest.param(1 << 31, Fault.BUS, id="where there is no memory"),
    ],
)
def test_impossible(program, fault):
    run = Run(arch(), 4, program=program, cycles=100)
    assert run.faults[0] == fault
    assert run.words == []
    assert run.idle


def test_program_past_the_address_space():
    """The words before the end come; then the fault, and nothing from address 0."""
    run = Run(arch(latency=1), 4, program=(1 << 32) - 64, cycles=100)
    assert all(address >= (1 << 32) - 64 for address, _ in run.dram.bursts)
    assert run.faults


@pytest.mark.parametrize("halt_at", [START + 1, START + 4, START + 30])
def test_halt(halt_at):
    """Nothing is offered any more, open bursts are finished."""
    run = Run(arch(latency=12, fetch_depth=16), 60, halt_at=halt_at, cycles=200)
    assert all(taken < halt_at for taken in run.taken)
    assert run.idle


def test_model_refuses_what_is_not_in_the_program():
    model = FetchTiming(arch(), 1)
    with pytest.raises(ValueError, match=r"^instruction 1 taken out of order: 0 comes next$"):
        model.taken(1, 5)
    model.offered(0)
    model.taken(0, 50)
    with pytest.raises(IndexError, match=r"^the program has 1 instructions, no instruction 1$"):
        model.offered(1)
