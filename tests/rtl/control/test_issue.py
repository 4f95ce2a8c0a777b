"""Dispatch, queues and gates: every cycle as :mod:`rtl.control.timing` says, deadlocks found, mistakes refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.config import ControlConfig
from rtl.control.issue import Issue
from rtl.control.run import UNIT_DISPATCH
from rtl.control.timing import DeadlockError, schedule
from rtl.counters import stall_causes
from rtl.isa import MAX_TOKENS, End, Engine, Fault, Opcode
from rtl.isa_layout import WORD
from tests.rtl.bench import simulate
from tests.rtl.control.dummies import END, Arrivals, Dummy, DummyTiming, Job, random_arrivals, random_jobs

LOAD, COMPUTE, POST, STORE = Engine
LIMIT = 20_000
QUIET = 300
"""Cycles after which nothing more can happen in these programs."""


class Bench(wiring.Component):
    """Issue with four dummies."""

    def __init__(self, config: ControlConfig) -> None:
        self.issue = Issue(config)
        self.dummies = [Dummy(engine) for engine in Engine]
        super().__init__({"words": In(stream.Signature(WORD)), "exhausted": In(1), "halt": In(1), "done": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.issue = issue = self.issue
        connect(m, flipped(self.words), issue.words)
        m.d.comb += [issue.exhausted.eq(self.exhausted), issue.halt.eq(self.halt), self.done.eq(issue.done)]
        for engine, dummy in zip(Engine, self.dummies, strict=True):
            m.submodules[f"dummy_{engine.name.lower()}"] = dummy
            connect(m, issue.engines[engine], dummy.engine.instr)
            m.d.comb += [
                issue.retires[engine].eq(dummy.engine.retire),
                issue.early[engine].eq(dummy.engine.early),
                issue.idles[engine].eq(dummy.engine.idle),
                dummy.engine.halt.eq(self.halt),
            ]
        return m


@dataclass
class Seen:
    """What a run of the gateware did, in the terms of :class:`rtl.control.timing.Schedule`."""

    dispatch: list[int] = field(default_factory=list)
    issue: dict[int, int] = field(default_factory=dict)
    retire: dict[int, int] = field(default_factory=dict)
    stalls: dict[tuple[int, Engine, Engine], int] = field(default_factory=dict)
    done: int | None = None
    fault: tuple[int, Fault, int, int] | None = None
    """Cycle, code, unit, layer."""


def run(words: Sequence[int], engines: Sequence[Engine], arrivals: Sequence[int], config: ControlConfig) -> Seen:
    """Feed ``words`` as they arrive until the program is done or a fault is seen."""
    bench, seen = Bench(config), Seen()
    orders = {e: [k for k, of in enumerate(engines) if of == e] for e in Engine}
    issued, retired = dict.fromkeys(Engine, 0), dict.fromkeys(Engine, 0)

    def watch(ctx, cycle: int) -> None:
        for e in Engine:
            port = bench.issue.engines[e]
            if ctx.get(port.valid) and ctx.get(port.ready):
                seen.issue[orders[e][issued[e]]] = cycle
                issued[e] += 1
            if ctx.get(bench.dummies[e].engine.retire.valid):
                seen.retire[orders[e][retired[e]]] = cycle
                retired[e] += 1
            stalls = ctx.get(bench.issue.stalls[e])
            if stalls.valid:
                for cause, count in zip(stall_causes(e), stalls.cycles, strict=True):
                    if not count:
                        continue
                    key = (stalls.layer, e, cause)
                    seen.stalls[key] = seen.stalls.get(key, 0) + count
        for report in map(ctx.get, bench.issue.faults):
            if report.code and seen.fault is None:
                seen.fault = (cycle, Fault(report.code), report.unit, report.layer)

    async def drive(ctx):
        k = 0
        for cycle in range(LIMIT):
            here = k < len(words) and cycle >= arrivals[k]
            ctx.set(bench.words.valid, here)
            ctx.set(bench.words.payload, words[k] if here else 0)
            ctx.set(bench.exhausted, k >= len(words))
            watch(ctx, cycle)
            if ctx.get(bench.done):
                seen.done = cycle
            if seen.done is not None or seen.fault:
                return
            if here and ctx.get(bench.words.ready):
                seen.dispatch.append(cycle)
                k += 1
            await ctx.tick()
        raise AssertionError(f"neither done nor fault after {LIMIT} cycles")

    simulate(bench, drive)
    return seen


def model(jobs: Sequence[Job], arrivals: Sequence[int], depth: int):
    timings = {engine: DummyTiming() for engine in Engine}
    return schedule([*jobs, End()], fetch=Arrivals(arrivals), engines=timings, queue_depth=depth)


def run_jobs(jobs: Sequence[Job], arrivals: Sequence[int], config: ControlConfig) -> Seen:
    return run([job.word() for job in jobs] + [END], [job.ENGINE for job in jobs], arrivals, config)


@pytest.mark.parametrize("seed", range(16))
def test_every_cycle_is_the_model_s(seed):
    rng = Random(seed)
    config = ControlConfig(queue_depth=rng.choice([2, 4, 8]), max_layers=4)
    jobs = random_jobs(rng, rng.choice([1, 10, 60]))
    arrivals = random_arrivals(rng, len(jobs) + 1)
    seen = run_jobs(jobs, arrivals, config)
    want = model(jobs, arrivals, config.queue_depth)
    assert seen.fault is None
    assert seen.dispatch == want.dispatch
    assert [seen.issue[k] for k in range(len(jobs))] == want.issue
    assert [seen.retire[k] for k in range(len(jobs))] == want.retire
    assert seen.stalls == want.stalls
    assert seen.done is not None
    assert seen.done + 1 == want.cycles


@pytest.mark.parametrize("seed", range(20))
def test_a_deadlock_is_found_where_there_is_one(seed):
    """Waits at random: the model says whether the program can end, the gateware must come to the same view."""
    rng = Random(1000 + seed)
    config = ControlConfig(queue_depth=rng.choice([2, 8]), max_layers=4)
    jobs = random_jobs(rng, 12, possible=False)
    arrivals = random_arrivals(rng, len(jobs) + 1)
    seen = run_jobs(jobs, arrivals, config)
    try:
        want = model(jobs, arrivals, config.queue_depth)
    except DeadlockError:
        assert seen.fault is not None
        assert seen.fault[1] == Fault.DEADLOCK
        return
    assert seen.fault is None
    assert seen.done is not None
    assert seen.done + 1 == want.cycles


def test_deadlocks_and_programs_that_end_both_occur_at_random():
    ends = []
    for seed in range(20):
        rng = Random(1000 + seed)
        depth = rng.choice([2, 8])
        jobs = random_jobs(rng, 12, possible=False)
        try:
            model(jobs, random_arrivals(rng, len(jobs) + 1), depth)
            ends.append(True)
        except DeadlockError:
            ends.append(False)
    assert ends.count(True) >= 5
    assert ends.count(False) >= 5


def faults(words: Sequence[int], engines: Sequence[Engine] = (), **control: int) -> tuple[Fault, int, int]:
    """Code, unit and layer of the fault that ``words``, which come at once, run into."""
    seen = run(words, engines, [0] * len(words), ControlConfig(queue_depth=2, max_layers=16))
    assert seen.done is None
    assert seen.fault is not None
    return seen.fault[1:]


def job(engine: Engine, **fields: int) -> Job:
    return Job(ENGINE=engine, **fields)


def bits(*engines: Engine) -> int:
    return sum(1 << e for e in engines)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0, id="opcode 0"),
        pytest.param(max(Opcode) + 1, id="first unknown opcode"),
        pytest.param(15, id="last opcode"),
        pytest.param((1 << 256) - 1, id="all ones"),
        pytest.param(job(LOAD, layer=16).word(), id="first layer that is not counted"),
        pytest.param(job(STORE, layer=4095).word(), id="last layer"),
        pytest.param(job(COMPUTE, wait=bits(COMPUTE)).word(), id="waits for itself"),
        pytest.param(job(POST, signal=bits(POST)).word(), id="signals itself"),
    ],
)
def test_a_word_that_is_no_instruction_is_refused(word):
    assert faults([word]) == (Fault.OPCODE, UNIT_DISPATCH, word >> 4 & 0xFFF)


def test_the_last_layer_that_is_counted_is_accepted():
    seen = run_jobs([job(LOAD, layer=15)], [0, 0], ControlConfig(max_layers=16))
    assert seen.fault is None


def test_a_program_without_end_is_a_fault():
    assert faults([job(LOAD).word()], [LOAD])[:2] == (Fault.PROGRAM, UNIT_DISPATCH)


def test_an_empty_program_is_a_fault():
    assert faults([])[:2] == (Fault.PROGRAM, UNIT_DISPATCH)


def test_what_follows_end_is_not_looked_at():
    seen = run([job(LOAD).word(), END, 0], [LOAD], [0, 0, 0], ControlConfig())
    assert seen.fault is None
    assert seen.done == seen.retire[0] + 1


def test_end_alone_is_a_program_of_one_cycle():
    assert run([END], [], [0], ControlConfig()).done == 0


def test_the_engine_that_waits_in_vain_is_named_with_its_layer():
    words = [job(LOAD, layer=1), job(POST, layer=3, wait=bits(LOAD))]
    seen = run_jobs(words, [0, 0, 0], ControlConfig())
    assert seen.fault is not None
    cycle, *where = seen.fault
    assert where == [Fault.DEADLOCK, POST, 3]
    assert cycle == max(seen.retire[0] + 1, 3), "reported as soon as nothing can change"


def test_a_deadlock_behind_a_full_queue_is_found():
    """COMPUTE waits for a token of the third POST, which is behind it and behind POST's full queue."""
    head = job(COMPUTE, wait=bits(POST))
    stuck = [job(POST, wait=bits(COMPUTE)) for _ in range(3)]
    assert run_jobs([head, *stuck], [0] * 5, ControlConfig(queue_depth=2)).fault[1] == Fault.DEADLOCK


def test_words_still_to_come_are_no_deadlock():
    """The token's giver is fetched long after its taker began to wait."""
    jobs = [job(COMPUTE, wait=bits(LOAD)), job(LOAD, signal=bits(COMPUTE))]
    seen = run_jobs(jobs, [0, 500, 500], ControlConfig())
    assert seen.fault is None
    assert seen.stalls == {(0, COMPUTE, LOAD): seen.issue[0] - 1}


def test_an_engine_at_work_is_no_deadlock():
    jobs = [job(LOAD, signal=bits(COMPUTE), latency=900), job(COMPUTE, wait=bits(LOAD))]
    seen = run_jobs(jobs, [0, 0, 0], ControlConfig())
    assert seen.fault is None
    assert seen.issue[1] == seen.retire[0] + 1


def test_as_many_tokens_as_can_be_counted():
    jobs = [job(LOAD, signal=bits(STORE))] * MAX_TOKENS + [job(STORE, wait=bits(LOAD))] * MAX_TOKENS
    seen = run_jobs(jobs, [0] * (len(jobs) + 1), ControlConfig())
    assert seen.fault is None
    assert len(seen.issue) == len(jobs)


def test_one_token_more_is_a_fault():
    jobs = [job(LOAD, layer=5, signal=bits(STORE))] * (MAX_TOKENS + 1)
    seen = run_jobs(jobs, [0] * (len(jobs) + 1), ControlConfig())
    assert seen.fault is not None
    assert seen.fault[1:3] == (Fault.TOKEN, STORE)


@pytest.mark.parametrize(("arrival", "fault"), [(399, None), (398, Fault.TOKEN)])
def test_a_taker_makes_room_for_a_token_in_the_same_cycle(arrival, fault):
    """With every token there, one more may be given in the very cycle in which one is taken, and none before."""
    jobs = [job(LOAD, signal=bits(STORE))] * (MAX_TOKENS + 1) + [job(STORE, wait=bits(LOAD))]
    seen = run_jobs(jobs, [0] * MAX_TOKENS + [arrival, 400, 402], ControlConfig())
    if fault is None:
        assert seen.fault is None
        assert seen.retire[MAX_TOKENS] == seen.issue[MAX_TOKENS + 1] == 401
    else:
        assert seen.fault is not None
        assert seen.fault[:2] == (400, fault)


def test_stalls_go_to_the_first_missing_token():
    """STORE waits for POST until 100 and for LOAD until 50: LOAD has the blame until then, POST for the rest."""
    jobs = [
        job(LOAD, signal=bits(STORE), latency=50),
        job(POST, signal=bits(STORE), latency=100),
        job(STORE, layer=7, wait=bits(LOAD, POST)),
    ]
    seen = run_jobs(jobs, [0] * 4, ControlConfig(max_layers=16))
    assert seen.stalls == {
        (7, STORE, LOAD): seen.retire[0] + 1 - (seen.dispatch[2] + 1),
        (7, STORE, POST): seen.retire[1] - seen.retire[0],
    }


def test_a_cycle_in_which_the_engine_is_busy_is_no_stall():
    jobs = [job(COMPUTE, gap=80), job(LOAD, signal=bits(COMPUTE), latency=60), job(COMPUTE, wait=bits(LOAD))]
    assert run_jobs(jobs, [0] * 4, ControlConfig()).stalls == {}


def test_halt_stops_dispatch_and_issue():
    bench = Bench(ControlConfig())
    issued = []

    async def drive(ctx):
        ctx.set(bench.words.valid, 1)
        ctx.set(bench.words.payload, job(LOAD).word())
        for cycle in range(40):
            ctx.set(bench.halt, cycle >= 20)
            port = bench.issue.engines[LOAD]
            if ctx.get(port.valid):
                issued.append(cycle)
            assert not (cycle >= 20 and ctx.get(bench.words.ready))
            await ctx.tick()

    simulate(bench, drive)
    assert issued == list(range(1, 20))
