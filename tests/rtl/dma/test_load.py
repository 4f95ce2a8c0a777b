"""The load engine: what lands where, when to the cycle, and what happens to instructions that cannot be."""

from itertools import pairwise
from random import Random

import pytest

from rtl.config import ArchConfig
from rtl.dma.load import LoadEngine
from rtl.dma.timing import LoadTiming
from rtl.isa import Fault, Fill, Instruction, Space
from tests.rtl.bench import simulate
from tests.rtl.dma.dram import Dram
from tests.rtl.dma.programs import SPACES, Log, arch, fill, load, random_arch, random_load, run_engine, spad_bytes

BASE = 0x3000
WINDOW = 4000


class Run:
    """A program on the engine, with DRAM behind it and scratchpads before it."""

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
        self.spads = {space: bytearray(b"\xaa" * spad_bytes(config, space)) for space in SPACES}
        self.writes: list[int] = []
        self.landed_by: dict[int, dict[Space, bytes]] = {}
        dut = LoadEngine(config)
        dram = config.dram
        self.dram = Dram(
            bytearray(Random(1).randbytes(dram_end)),
            latency=dram.latency_cycles,
            interval=dram.beat_interval,
            rng=back_pressure,
        )

        async def window_registers(ctx):
            ctx.set(dut.dram_base, base)
            ctx.set(dut.dram_bytes, window)

        async def scratchpads(ctx):
            write, cycle = dut.write, 0
            while True:
                _, _, en, space, address, count, data, retired = await ctx.tick().sample(
                    write.en, write.space, write.address, write.count, write.data, dut.engine.retire.valid
                )
                if en:
                    spad = self.spads[Space(space)]
                    assert 1 <= count <= config.bus.data_bytes
                    assert address + count <= len(spad), "a write out of bounds"
                    spad[address : address + count] = data.to_bytes(config.banks, "little")[:count]
                    self.writes.append(cycle)
                if retired:
                    self.landed_by[cycle] = {s: bytes(b) for s, b in self.spads.items()}
                cycle += 1

        simulate(
            dut,
            window_registers,
            run_engine(dut.engine, program, self.log, halt_after=halt_after),
            background=[self.dram.reads(dut.axi), scratchpads],
        )

    def expect(self, program: list[Instruction]) -> list[dict[Space, bytes]]:
        """The scratchpads after each instruction."""
        spads = {space: bytearray(b"\xaa" * len(spad)) for space, spad in self.spads.items()}
        after = []
        for instruction in program:
            for row in range(instruction.rows):
                if isinstance(instruction, Fill):
                    spad, row_of = spads[Space.IFM], bytes([instruction.value & 0xFF]) * instruction.row_bytes
                else:
                    begin = BASE + instruction.dram + row * instruction.dram_stride
                    spad = spads[Space(instruction.space)]
                    row_of = self.dram.memory[begin : begin + instruction.row_bytes]
                at = instruction.spad + row * instruction.spad_stride
                spad[at : at + instruction.row_bytes] = row_of
            after.append({space: bytes(spad) for space, spad in spads.items()})
        return after


def run(config: ArchConfig, program: list[Instruction], **options) -> Run:
    return Run(config, [(0, instruction) for instruction in program], **options)


def check_order(config: ArchConfig, program: list[tuple[int, Instruction]], done: Run) -> None:
    """Retirements and commits in program order, each instruction's bytes there when it retires, and counted."""
    instructions = [instruction for _, instruction in program]
    model = LoadTiming(config)
    assert not done.log.faults
    assert [(layer, signal) for _, layer, signal in done.log.retired] == [(i.layer, i.signal) for i in instructions]
    # Not a byte of the next instruction lands before this one has retired.
    landed = [done.landed_by[cycle] for cycle, _, _ in done.log.retired]
    assert landed == done.expect(instructions)
    assert [(layer, e) for _, layer, e in done.log.commits] == [(i.layer, model.events(i)) for i in instructions]
    commits = [cycle for cycle, _, _ in done.log.commits]
    assert all(later - earlier >= 4 for earlier, later in pairwise(commits))
    assert all(commit <= retired for commit, (retired, _, _) in zip(commits, done.log.retired, strict=True))


def check_cycles(config: ArchConfig, program: list[tuple[int, Instruction]], done: Run) -> None:
    """The engine does everything in the cycle that the model says."""
    model, since = LoadTiming(config), 0
    for index, (gap, instruction) in enumerate(program):
        assert done.log.ready[index] == max(model.ready(), since), f"ready for {index}: {instruction}"
        cycle = max(model.ready(), since + gap)
        assert done.log.issued[index] == cycle, f"issue of {index}: {instruction}"
        assert done.log.retired[index][0] == model.issue(cycle, instruction), f"retirement of {index}: {instruction}"
        since = cycle + 1
    busy = _busy(done)
    assert [not idle for idle in done.log.idle] == [cycle in busy for cycle in range(len(done.log.idle))]


def _busy(done: Run) -> set[int]:
    """From the cycle after each issue to its retirement."""
    spans = zip(done.log.issued, done.log.retired, strict=True)
    return {cycle for issued, (retired, _, _) in spans for cycle in range(issued + 1, retired + 1)}


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
    instruction = load(spad=3, spad_stride=100, **fields)
    done = run(arch(), [instruction], window=8192)
    assert [(address - BASE, beats) for address, beats in done.dram.bursts] == bursts
    check_order(arch(), [(0, instruction)], done)


def test_latency_of_one_byte():
    """Issue, address two cycles later, beat after the latency, retired in the cycle after."""
    done = run(arch(latency=10), [load()])
    assert done.log.issued == [0]
    assert done.log.retired[0][0] == 2 + 10 + 1
    assert done.writes == [2 + 10 + 1]


def test_latency_is_paid_once_for_a_run_of_loads():
    """Each of 20 loads brings 16 beats; the beats follow each other without a gap."""
    program = [load(dram=128 * i, row_bytes=128) for i in range(20)]
    done = run(arch(latency=40, outstanding=16), program)
    assert len(done.writes) == 320
    assert done.writes[-1] - done.writes[0] == 319


def test_padding_takes_a_cycle_per_beat_and_keeps_its_place():
    """FILL under a LOAD of the same bytes: the later one wins, whichever it is."""
    whole, inside = fill(value=-7, row_bytes=64), load(spad=8, row_bytes=16)
    for program in ([whole, inside], [inside, whole]):
        done = run(arch(latency=3), program)
        check_order(arch(), [(0, i) for i in program], done)
        assert len(done.writes) == 8 + 2


@pytest.mark.parametrize("seed", range(40))
def test_random(seed):
    """Any configuration, any program, any gaps: the bytes, the events and every cycle are those of the model."""
    rng = Random(seed)
    config = random_arch(rng)
    window = rng.choice([257, 1000, WINDOW])
    gap = rng.choice([0, 5, 60])
    program = [(rng.randint(0, gap), random_load(rng, config, window)) for _ in range(rng.randint(2, 10))]
    done = Run(config, program, window=window)
    check_order(config, program, done)
    check_cycles(config, program, done)


@pytest.mark.parametrize("seed", range(8))
def test_random_back_pressure(seed):
    """A bus that stalls at random changes the cycles, not the result."""
    rng = Random(1000 + seed)
    config = random_arch(rng)
    program = [(rng.randint(0, 5), random_load(rng, config, WINDOW)) for _ in range(6)]
    check_order(config, program, Run(config, program, back_pressure=rng))


def test_tiny_instructions_back_to_back():
    config = arch(latency=1, outstanding=8)
    program = [(0, (load if i % 3 else fill)(spad=i, layer=i)) for i in range(24)]
    done = Run(config, program)
    check_order(config, program, done)
    check_cycles(config, program, done)
    assert done.log.issued == list(range(0, 96, 4))


def test_the_check_can_fail():
    """A model with another latency is found out."""
    config, other = arch(latency=10), arch(latency=11)
    program = [(0, load())]
    with pytest.raises(AssertionError, match="retirement of 0"):
        check_cycles(other, program, Run(config, program))


@pytest.mark.parametrize(
    ("instruction", "fault"),
    [
        pytest.param(load(rows=0), Fault.OPCODE, id="no rows"),
        pytest.param(load(row_bytes=0), Fault.OPCODE, id="empty rows"),
        pytest.param(fill(rows=0), Fault.OPCODE, id="no rows of padding"),
        pytest.param(load(space=Space.OFM), Fault.OPCODE, id="to OFM"),
        pytest.param(load(dram=WINDOW), Fault.DRAM, id="first byte after the window"),
        pytest.param(load(dram=WINDOW - 4, row_bytes=5), Fault.DRAM, id="last byte after the window"),
        pytest.param(load(dram=(1 << 32) - 1, row_bytes=2), Fault.DRAM, id="past 2^32"),
        pytest.param(load(rows=3, dram_stride=(1 << 28) - 1), Fault.DRAM, id="stride leaves the window"),
        pytest.param(load(spad=2044, row_bytes=5), Fault.SCRATCHPAD, id="out of IFM"),
        pytest.param(load(space=Space.WEIGHT, spad=1020, row_bytes=5), Fault.SCRATCHPAD, id="out of WEIGHT"),
        pytest.param(load(space=Space.PARAM, spad=(1 << 24) - 1), Fault.SCRATCHPAD, id="out of PARAM by far"),
        pytest.param(fill(spad=2044, row_bytes=5), Fault.SCRATCHPAD, id="padding out of IFM"),
        pytest.param(fill(rows=2, spad_stride=(1 << 24) - 1), Fault.SCRATCHPAD, id="padding strides out"),
    ],
)
def test_impossible(instruction, fault):
    """Faults, stops, and touches nothing outside; what came before is done, what comes after is not."""
    before, after = load(spad=100, row_bytes=3), fill(spad=200, row_bytes=3)
    done = run(arch(), [before, instruction, after])
    assert done.log.faults[0] == fault
    assert len(done.log.retired) <= 1
    assert done.spads[Space.IFM][200:203] == b"\xaa\xaa\xaa"
    assert all(address + 8 * beats <= BASE + WINDOW for address, beats in done.dram.bursts)


def test_good_bytes_before_the_bad_one_are_written():
    done = run(arch(), [load(spad=2040, row_bytes=16)])
    assert done.log.faults == [Fault.SCRATCHPAD]
    assert done.spads[Space.IFM][2040:] == done.dram.memory[BASE : BASE + 8]


def test_bus_error():
    done = run(arch(), [load(row_bytes=64)], dram_end=BASE + 32)
    assert done.log.faults == [Fault.BUS]
    assert done.log.retired == []
    assert done.spads[Space.IFM][32:64] == b"\xaa" * 32


def test_window_past_the_address_space():
    done = run(arch(), [load(dram=0x1000)], base=0xFFFFF000, window=0x2000)
    assert done.log.faults == [Fault.DRAM]
    assert done.dram.bursts == []


@pytest.mark.parametrize("halt_after", [1, 3, 12, 30])
def test_halt_finishes_open_bursts_and_writes_nothing(halt_after):
    done = run(arch(latency=20), [load(rows=20, row_bytes=32, dram_stride=32, spad_stride=32)], halt_after=halt_after)
    assert done.log.retired == []
    assert max(done.writes, default=0) <= halt_after + 1
    assert done.log.idle[-1]
