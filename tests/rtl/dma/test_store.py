"""The store engine: what reaches DRAM, when to the cycle, and what happens to instructions that cannot be."""

from itertools import pairwise
from random import Random

import pytest

from rtl.config import ArchConfig
from rtl.dma.store import StoreEngine
from rtl.dma.timing import StoreTiming
from rtl.isa import Fault, Instruction, Space
from rtl.scratchpad import READ_LATENCY
from tests.rtl.bench import simulate
from tests.rtl.dma.dram import Dram
from tests.rtl.dma.programs import Log, arch, random_arch, random_store, run_engine, spad_bytes, store

BASE = 0x3000
WINDOW = 4000


class Run:
    """A program on the engine, with a scratchpad before it and DRAM behind it."""

    def __init__(
        self,
        config: ArchConfig,
        program: list[tuple[int, Instruction]],
        *,
        window: int = WINDOW,
        base: int = BASE,
        dram_end: int = BASE + 8192,
        back_pressure: Random | None = None,
        halt_after: int | None = None,
    ) -> None:
        self.log = Log()
        self.ofm = Random(2).randbytes(spad_bytes(config, Space.OFM))
        self.before = Random(1).randbytes(dram_end)
        self.beats: list[int] = []
        self.reads: list[int] = []
        dut = StoreEngine(config)
        dram = config.dram
        self.dram = Dram(
            bytearray(self.before), latency=dram.latency_cycles, interval=dram.beat_interval, rng=back_pressure
        )

        async def window_registers(ctx):
            ctx.set(dut.dram_base, base)
            ctx.set(dut.dram_bytes, window)

        async def scratchpad(ctx):
            """Bytes follow their address by READ_LATENCY cycles, and only then are they there."""
            cycle = 0
            coming = [0] * (READ_LATENCY - 1)
            while True:
                _, _, en, address, wvalid, wready = await ctx.tick().sample(
                    dut.read.en, dut.read.address, dut.axi.wvalid, dut.axi.wready
                )
                data = self.ofm[address : address + config.banks] if en else b""
                coming.append(int.from_bytes(data.ljust(config.banks, b"\xee"), "little"))
                ctx.set(dut.read.data, coming.pop(0))
                if en:
                    self.reads.append(cycle)
                if wvalid and wready:
                    self.beats.append(cycle)
                cycle += 1

        simulate(
            dut,
            window_registers,
            run_engine(dut.engine, program, self.log, halt_after=halt_after),
            background=[self.dram.writes(dut.axi), scratchpad],
        )

    def expect(self, program: list[Instruction]) -> bytes:
        """DRAM after the program."""
        memory = bytearray(self.before)
        for i in program:
            for row in range(i.rows):
                at, source = BASE + i.dram + row * i.dram_stride, i.spad + row * i.spad_stride
                memory[at : at + i.row_bytes] = self.ofm[source : source + i.row_bytes]
        return bytes(memory)


def run(config: ArchConfig, program: list[Instruction], **options) -> Run:
    return Run(config, [(0, instruction) for instruction in program], **options)


def check_order(config: ArchConfig, program: list[tuple[int, Instruction]], done: Run) -> None:
    instructions = [instruction for _, instruction in program]
    model = StoreTiming(config)
    assert not done.log.faults
    assert [(layer, signal) for _, layer, signal in done.log.retired] == [(i.layer, i.signal) for i in instructions]
    assert done.expect(instructions) == bytes(done.dram.memory)
    assert [(layer, e) for _, layer, e in done.log.commits] == [(i.layer, model.events(i)) for i in instructions]
    commits = [cycle for cycle, _, _ in done.log.commits]
    assert all(later - earlier >= 4 for earlier, later in pairwise(commits))
    assert all(commit <= retired for commit, (retired, _, _) in zip(commits, done.log.retired, strict=True))


def check_cycles(config: ArchConfig, program: list[tuple[int, Instruction]], done: Run) -> None:
    """The engine does everything in the cycle that the model says."""
    model, since = StoreTiming(config), 0
    for index, (gap, instruction) in enumerate(program):
        assert done.log.ready[index] == max(model.ready(), since), f"ready for {index}: {instruction}"
        cycle = max(model.ready(), since + gap)
        assert done.log.issued[index] == cycle, f"issue of {index}: {instruction}"
        assert done.log.retired[index][0] == model.issue(cycle, instruction), f"retirement of {index}: {instruction}"
        since = cycle + 1
    spans = zip(done.log.issued, done.log.retired, strict=True)
    busy = {cycle for issued, (retired, _, _) in spans for cycle in range(issued + 1, retired + 1)}
    assert [not idle for idle in done.log.idle] == [cycle in busy for cycle in range(len(done.log.idle))]


@pytest.mark.parametrize(
    ("fields", "bursts"),
    [
        pytest.param({"row_bytes": 1}, [(0, 1)], id="a byte"),
        pytest.param({"row_bytes": 32}, [(0, 4)], id="a whole burst"),
        pytest.param({"dram": 7, "row_bytes": 2}, [(0, 2)], id="two bytes in two beats"),
        pytest.param({"dram": 31, "row_bytes": 2}, [(24, 1), (32, 1)], id="two bytes in two bursts"),
        pytest.param({"dram": 4090, "row_bytes": 12}, [(4064 + 24, 1), (4096, 1)], id="over a 4 KiB boundary"),
        pytest.param({"dram": 5, "row_bytes": 70}, [(0, 4), (32, 4), (64, 2)], id="first and last beat partial"),
        pytest.param({"rows": 2, "row_bytes": 9, "dram_stride": 20}, [(0, 2), (16, 2)], id="each row its own bursts"),
    ],
)
def test_bursts(fields, bursts):
    instruction = store(spad=3, spad_stride=100, **fields)
    done = run(arch(), [instruction], window=8192)
    assert [(address - BASE, beats) for address, beats in done.dram.bursts] == bursts
    check_order(arch(), [(0, instruction)], done)


def test_latency_of_one_byte():
    """Issue, read in the next cycle, W three later, response after the latency, retired in the cycle after."""
    done = run(arch(latency=10), [store()])
    assert done.log.issued == [0]
    assert done.reads == [1]
    assert done.beats == [4]
    assert done.log.retired[0][0] == 4 + 10 + 1


def test_a_beat_every_cycle():
    """Neither bursts nor instructions cost a beat, while responses are awaited."""
    program = [store(dram=128 * i, row_bytes=128) for i in range(20)]
    done = run(arch(latency=20, outstanding=16), program)
    assert len(done.beats) == 320
    # An instruction rests for two cycles after its last read; the queue is shorter than that.
    assert done.beats[15] - done.beats[0] == 15
    assert done.beats[16] - done.beats[15] == 4


@pytest.mark.parametrize("seed", range(40))
def test_random(seed):
    """Any configuration, any program, any gaps: the bytes, the events and every cycle are those of the model."""
    rng = Random(seed)
    config = random_arch(rng)
    window = rng.choice([257, 1000, WINDOW])
    gap = rng.choice([0, 5, 60])
    program = [(rng.randint(0, gap), random_store(rng, config, window)) for _ in range(rng.randint(2, 10))]
    done = Run(config, program, window=window)
    check_order(config, program, done)
    check_cycles(config, program, done)


@pytest.mark.parametrize("seed", range(8))
def test_random_back_pressure(seed):
    """A bus that stalls at random changes the cycles, not the result."""
    rng = Random(1000 + seed)
    config = random_arch(rng)
    program = [(rng.randint(0, 5), random_store(rng, config, WINDOW)) for _ in range(6)]
    check_order(config, program, Run(config, program, back_pressure=rng))


def test_tiny_instructions_back_to_back():
    config = arch(latency=1, outstanding=8)
    program = [(0, store(spad=i, dram=i, layer=i)) for i in range(24)]
    done = Run(config, program)
    check_order(config, program, done)
    check_cycles(config, program, done)
    assert done.log.issued == list(range(0, 96, 4))


def test_the_check_can_fail():
    """A model with another latency is found out."""
    config, other = arch(latency=10), arch(latency=11)
    program = [(0, store())]
    with pytest.raises(AssertionError, match="retirement of 0"):
        check_cycles(other, program, Run(config, program))


@pytest.mark.parametrize(
    ("instruction", "fault"),
    [
        pytest.param(store(rows=0), Fault.OPCODE, id="no rows"),
        pytest.param(store(row_bytes=0), Fault.OPCODE, id="empty rows"),
        pytest.param(store(dram=WINDOW), Fault.DRAM, id="first byte after the window"),
        pytest.param(store(dram=WINDOW - 4, row_bytes=5), Fault.DRAM, id="last byte after the window"),
        pytest.param(store(dram=(1 << 32) - 1, row_bytes=2), Fault.DRAM, id="past 2^32"),
        pytest.param(store(rows=3, dram_stride=(1 << 28) - 1), Fault.DRAM, id="stride leaves the window"),
        pytest.param(store(spad=2044, row_bytes=5), Fault.SCRATCHPAD, id="out of OFM"),
        pytest.param(store(rows=2, spad_stride=(1 << 24) - 1), Fault.SCRATCHPAD, id="stride leaves OFM"),
    ],
)
def test_impossible(instruction, fault):
    """Faults, stops, and touches nothing outside; what comes after is not done."""
    done = run(arch(), [store(dram=100, row_bytes=3), instruction, store(dram=200, row_bytes=3)])
    after = BASE + 200
    assert done.log.faults[0] == fault
    assert len(done.log.retired) <= 1
    assert done.dram.memory[after : after + 3] == done.before[after : after + 3]
    assert done.dram.memory[BASE + WINDOW :] == done.before[BASE + WINDOW :]
    assert done.dram.memory[:BASE] == done.before[:BASE]


def test_bus_error():
    done = run(arch(), [store(row_bytes=64)], dram_end=BASE + 32)
    assert done.log.faults == [Fault.BUS]
    assert done.log.retired == []


def test_window_past_the_address_space():
    done = run(arch(), [store(dram=0x1000)], base=0xFFFFF000, window=0x2000)
    assert done.log.faults == [Fault.DRAM]
    assert done.dram.bursts == []


@pytest.mark.parametrize("halt_after", [1, 3, 8, 30])
def test_halt_finishes_open_bursts_and_writes_nothing(halt_after):
    done = run(arch(latency=20, interval=2), [store(row_bytes=2000)], halt_after=halt_after)
    assert done.log.retired == []
    assert done.log.idle[-1]
    assert len(done.beats) == sum(beats for _, beats in done.dram.bursts)
    reads_before_halt = sum(cycle <= halt_after for cycle in done.reads)
    written = 8 * reads_before_halt
    assert done.dram.memory[BASE : BASE + written] == done.ofm[:written]
    assert done.dram.memory[BASE + written :] == done.before[BASE + written :]
