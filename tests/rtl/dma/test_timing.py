"""The timing of the DMA in closed form, against the same rules beat by beat."""

from itertools import pairwise
from random import Random

import pytest

from rtl.config import AXI_BOUNDARY_BYTES, ArchConfig
from rtl.counters import event_names
from rtl.dma import timing
from rtl.dma.timing import LoadTiming, StoreTiming
from rtl.dma.traffic import burst_beats, traffic
from rtl.isa import Engine, Fill, Instruction, Load, Store
from rtl.scratchpad import READ_LATENCY
from tests.rtl.dma.programs import arch, fill, load, random_arch, store

LONG_AGO = -(10**9)


def bursts_of(config: ArchConfig, instruction: Load | Store) -> list[int]:
    """Beats of each burst, found byte by byte."""
    beat, block = config.bus.data_bytes, config.bus.data_bytes * config.bus.burst_beats
    found = []
    for row in range(instruction.rows):
        begin = instruction.dram + row * instruction.dram_stride
        addresses = range(begin, begin + instruction.row_bytes)
        blocks: dict[int, set[int]] = {}
        for address in addresses:
            blocks.setdefault(address // block, set()).add(address // beat)
        found += [len(beats) for beats in blocks.values()]
    return found


class SlowLoad:
    """:class:`LoadTiming`, every beat on its own."""

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        self.chosen = self.landed = self.beat = LONG_AGO
        self.ends: list[int] = []
        self.started: list[int] = []
        self.last_choice = LONG_AGO

    def ready(self) -> int:
        depth = self.config.bus.outstanding
        return max(0, self.last_choice + 3, self.started[-depth] + 1 if len(self.started) >= depth else 0)

    def issue(self, cycle: int, instruction: Load | Fill) -> int:
        dram, outstanding = self.config.dram, self.config.bus.outstanding
        start = max(cycle + 1, self.landed)
        self.started.append(start)
        if isinstance(instruction, Fill):
            per_row = -(-instruction.row_bytes // self.config.bus.data_bytes)
            self.landed = start + instruction.rows * per_row
            self.last_choice = cycle + 1
            return self.landed + 1
        earliest = start + 1
        self.chosen = max(self.chosen, cycle)
        for beats in bursts_of(self.config, instruction):
            self.chosen += 1
            if len(self.ends) >= outstanding:
                self.chosen = max(self.chosen, self.ends[-outstanding] + 1)
            presented = self.chosen + 1 + dram.latency_cycles
            for _ in range(beats):
                presented = max(presented, self.beat + dram.beat_interval)
                self.beat = max(presented, earliest)
            self.ends.append(self.beat)
        self.landed, self.last_choice = self.beat, self.chosen
        return self.beat + 1


class SlowStore:
    """:class:`StoreTiming`, every beat on its own."""

    def __init__(self, config: ArchConfig) -> None:
        self.config = config
        self.reads = [LONG_AGO]
        self.writes = [LONG_AGO] * 4
        self.responses: list[int] = []

    def ready(self) -> int:
        return max(0, self.reads[-1] + 3)

    def issue(self, cycle: int, instruction: Store) -> int:
        dram, outstanding = self.config.dram, self.config.bus.outstanding
        earliest = cycle + 1
        for beats in bursts_of(self.config, instruction):
            if len(self.responses) >= outstanding:
                earliest = max(earliest, self.responses[-outstanding] + 1)
            for _ in range(beats):
                self.reads.append(max(earliest, self.reads[-1] + 1, self.writes[-4] + 1))
                self.writes.append(max(self.reads[-1] + 3, self.writes[-1] + dram.beat_interval))
            self.responses.append(self.writes[-1] + dram.latency_cycles)
        return self.responses[-1] + 1


def random_rows(rng: Random, config: ArchConfig) -> dict[str, int]:
    """Rows in the hundreds, strides of every period, long rows: where repetition is found and leapt over."""
    block = config.bus.data_bytes * config.bus.burst_beats
    row_bytes = rng.choice([1, rng.randint(1, 40), rng.randint(1, 3 * block), rng.randint(8 * block, 30 * block)])
    rows = rng.choice([1, 2, rng.randint(3, 30), rng.randint(100, 600)])
    stride = rng.choice([0, row_bytes, block, 3 * block, block // 2, rng.randint(1, 5000)])
    rows = max(1, min(rows, 20_000 // row_bytes))
    return {"rows": rows, "row_bytes": row_bytes, "dram": rng.randrange(1 << 20), "dram_stride": stride}


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize(
    ("fast_kind", "slow_kind", "make"), [(LoadTiming, SlowLoad, load), (StoreTiming, SlowStore, store)]
)
def test_leaps_land_where_steps_do(fast_kind, slow_kind, make, seed):
    rng = Random(seed)
    config = random_arch(rng)
    fast, slow, cycle = fast_kind(config), slow_kind(config), 0
    for _ in range(12):
        if make is load and rng.random() < 0.3:
            instruction = fill(rows=rng.randint(1, 30), row_bytes=rng.choice([1, 10, 1000]))
        else:
            instruction = make(**random_rows(rng, config))
        assert max(cycle, fast.ready()) == max(cycle, slow.ready())
        cycle = max(cycle, fast.ready()) + rng.choice([0, 0, rng.randint(0, 20), 300])
        assert fast.issue(cycle, instruction) == slow.issue(cycle, instruction), instruction
        cycle += 1


@pytest.mark.parametrize("seed", range(60))
def test_traffic_is_the_sum_of_the_bursts(seed):
    rng = Random(seed)
    config = random_arch(rng)
    instruction = load(**random_rows(rng, config))
    bursts = bursts_of(config, instruction)
    beat, longest = config.bus.data_bytes, config.bus.burst_beats
    offset = instruction.dram % (beat * longest)
    shape = (instruction.dram_stride, instruction.rows, instruction.row_bytes)
    assert list(burst_beats(beat, longest, offset, *shape)) == bursts
    assert traffic(config, instruction) == (instruction.rows * instruction.row_bytes, sum(bursts), len(bursts))


def test_traffic_of_the_largest_instruction_is_immediate():
    """65535 rows of a mebibyte: 70 billion bytes, in closed form."""
    big = store(rows=65535, row_bytes=(1 << 20) - 1, dram_stride=(1 << 28) - 1)
    assert traffic(arch(data_bytes=4, burst_beats=2), big).bursts > 8_000_000_000


def test_every_block_of_bursts_divides_four_kib():
    """So that a burst, which stays in its block, stays in its 4 KiB: config refuses longer blocks."""
    for data_bytes in (4, 8, 16, 32):
        for beats in (2, 64, 128):
            assert AXI_BOUNDARY_BYTES % (data_bytes * beats) == 0


@pytest.mark.parametrize(
    ("model", "engine", "instructions"),
    [
        (LoadTiming, Engine.LOAD, [load(space=0), load(space=2), load(space=3), fill()]),
        (StoreTiming, Engine.STORE, [store()]),
    ],
)
def test_events_have_the_names_of_the_counters(model, engine, instructions):
    for instruction in instructions:
        assert tuple(model(arch()).events(instruction)) == event_names(engine)


def test_bytes_are_counted_for_their_scratchpad():
    events = LoadTiming(arch()).events(load(space=2, rows=3, row_bytes=5, dram_stride=8))
    assert events == {
        "dram_read_bytes": 15,
        "dram_read_beats": 3,
        "dram_read_bursts": 3,
        "ifm_write_bytes": 0,
        "weight_write_bytes": 15,
        "param_write_bytes": 0,
        "spmat_write_bytes": 0,
        "pointer_write_bytes": 0,
        "codebook_write_bytes": 0,
    }


def test_long_transfers_run_at_the_bandwidth():
    """A mebibyte at a beat every three cycles, latency once: the leap is over 8000 bursts."""
    config = arch(data_bytes=16, burst_beats=8, outstanding=8, latency=50, interval=3)
    rows = {"row_bytes": (1 << 20) - 16}
    beats = ((1 << 20) - 16) // 16
    assert LoadTiming(config).issue(0, load(**rows)) == 2 + 50 + 3 * (beats - 1) + 1
    assert StoreTiming(config).issue(0, store(**rows)) == 4 + 3 * (beats - 1) + 50 + 1


def test_one_burst_at_a_time_pays_the_latency_each_time():
    config = arch(data_bytes=16, burst_beats=4, outstanding=1, latency=50)
    ends = [LoadTiming(config).issue(0, load(row_bytes=64 * n)) for n in (1, 2, 3)]
    assert [later - earlier for earlier, later in pairwise(ends)] == [50 + 2 + 3, 50 + 2 + 3]


def test_the_plain_model_has_the_latency_of_the_scratchpad():
    assert timing._SPAD_LATENCY == READ_LATENCY


def test_slow_and_fast_can_differ():
    """The comparison is not of a thing with itself."""
    config, other = arch(interval=1), arch(interval=2)
    instruction: Instruction = load(row_bytes=100)
    assert LoadTiming(config).issue(0, instruction) != SlowLoad(other).issue(0, instruction)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", [load, store])
def test_a_snapshot_has_the_future_of_the_engine_that_it_is_of(kind, seed):
    """An engine that is put into the state of another goes on as that one does, moved in time."""
    rng = Random(seed)
    config = random_arch(rng)
    timing_of = {load: LoadTiming, store: StoreTiming}[kind]
    ours, theirs = timing_of(config), timing_of(config)
    for _ in range(30):
        start = ours.ready()
        theirs.restore(ours.snapshot())
        rows, row_bytes, gap = rng.randint(1, 6), rng.randint(1, 300), rng.choice([0, 0, 1, 3, 50, 1000])
        instruction = kind(dram=rng.randrange(512), rows=rows, row_bytes=row_bytes, dram_stride=rng.randint(0, 400))
        if kind is load and rng.random() < 0.2:
            instruction = fill(rows=rows, row_bytes=row_bytes)
        assert theirs.ready() == 0
        assert theirs.issue(gap, instruction) + start == ours.issue(start + gap, instruction)
        assert theirs.ready() + start == ours.ready()
        assert theirs.snapshot() == ours.snapshot()
