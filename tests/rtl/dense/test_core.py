"""The dense core against the instruction set's meaning and its own timing, over random instructions."""

import dataclasses
from itertools import pairwise
from random import Random
from typing import Literal

import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Elaboratable
from amaranth.sim import Simulator

from hwsim.functional import Machine
from rtl.config import ArchConfig, BusConfig, DenseConfig, MemoryConfig
from rtl.core import Core
from rtl.counters import event_names
from rtl.dense.timing import compute_events, compute_timing, reduction_tiles
from rtl.engine import COMMIT_SPACING
from rtl.isa import AccumulateOp, Compute, Engine, Fault, Instruction, Post, PostConfig, PostFill, Space, encode
from rtl.post.timing import PostTiming, post_events
from rtl.scratchpad import Scratchpad

Dataflow = Literal["weight_stationary", "output_stationary"]


class CoreWithMemory(Elaboratable):
    """A dense core and its scratchpads, whose write ports but OFM's are the bench's."""

    def __init__(self, config: ArchConfig) -> None:
        self.core = Core(config)
        b, m = config.banks, config.memory
        self.ifm = Scratchpad(banks=b, kib=m.ifm_kib, reads=1, gather=True)
        self.ofm = Scratchpad(banks=b, kib=m.ofm_kib, reads=2, gather=True)
        self.weight = Scratchpad(banks=b, kib=m.weight_kib, reads=1)
        self.param = Scratchpad(banks=b, kib=m.param_kib, reads=1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules += [self.core, self.ifm, self.ofm, self.weight, self.param]
        c = self.core
        for ours, theirs in (
            (c.gather_ifm, self.ifm.gather),
            (c.gather_ofm, self.ofm.gather),
            (c.weight, self.weight.read0),
            (c.params, self.param.read0),
            (c.skip_ifm, self.ifm.read0),
            (c.skip_ofm, self.ofm.read0),
            (c.write, self.ofm.write),
        ):
            wiring.connect(m, ours, theirs)
        return m


class Bench:
    """Runs COMPUTE and post-processing instructions on the RTL, each at a time, and notes when they retire."""

    def __init__(self, config: ArchConfig, seed: int) -> None:
        self.config = config
        rng = np.random.default_rng(seed)
        self.dut = CoreWithMemory(config)
        self.machine = Machine(config, np.zeros(0, np.uint8))
        for space in (Space.IFM, Space.WEIGHT, Space.PARAM):
            spad = self.machine.spad[space]
            spad[:] = rng.integers(0, 256, spad.shape)
        # Shifts of 8..63, as the compiler emits them; see _params.
        self.issued: dict[Engine, list[int]] = {Engine.COMPUTE: [], Engine.POST: []}
        self.retired: dict[Engine, list[int]] = {Engine.COMPUTE: [], Engine.POST: []}
        self.events: dict[Engine, list[dict[str, int]]] = {Engine.COMPUTE: [], Engine.POST: []}
        self.committed: dict[Engine, list[int]] = {Engine.COMPUTE: [], Engine.POST: []}
        self.early: list[int] = []
        self.fault = 0
        self.ofm = np.zeros(0, np.uint8)

    def run(self, steps: list[tuple[Engine, Instruction, int, tuple[int, int]]]) -> None:
        """Run ``steps``: engine, instruction, idle cycles before it, and how many it waits for (compute, post).

        It waits for their retirement, or for the first sum of a chained COMPUTE.
        """
        sim = Simulator(self.dut)
        sim.add_clock(1e-8)
        core, clock = self.dut.core, [0]

        async def load(ctx):
            for pad, space in (
                (self.dut.ifm, Space.IFM),
                (self.dut.weight, Space.WEIGHT),
                (self.dut.param, Space.PARAM),
            ):
                data = self.machine.spad[space]
                banks = self.config.banks
                ctx.set(pad.write.en, 1)
                ctx.set(pad.write.count, banks)
                for at in range(0, len(data), banks):
                    ctx.set(pad.write.address, at)
                    ctx.set(pad.write.data, int.from_bytes(data[at : at + banks].tobytes(), "little"))
                    await ctx.tick()
                ctx.set(pad.write.en, 0)

        async def bench(ctx):
            await load(ctx)
            queues = {e: [s for s in steps if s[0] == e] for e in self.issued}
            ports = {Engine.COMPUTE: core.compute, Engine.POST: core.post}
            wait = {e: (q[0][2] if q else 0) for e, q in queues.items()}
            total = len(steps)
            chained = [k for k, s in enumerate(queues[Engine.COMPUTE]) if isinstance(s[1], Compute) and s[1].chain]
            for _ in range(200_000):
                if sum(map(len, self.retired.values())) == total or self.fault:
                    break
                # In order: whatever is before a chained one has retired when that one makes its first sum.
                summed = max(len(self.retired[Engine.COMPUTE]), *(k + 1 for k in chained[: len(self.early)]), 0)
                done = (summed, len(self.retired[Engine.POST]))
                for engine, queue in queues.items():
                    at = len(self.issued[engine])
                    offered = at < len(queue) and wait[engine] == 0
                    offered = offered and all(d >= n for d, n in zip(done, queue[at][3], strict=True))
                    ctx.set(ports[engine].instr.valid, offered)
                    if offered:
                        ctx.set(ports[engine].instr.payload, encode(queue[at][1]))
                    wait[engine] = max(0, wait[engine] - 1)
                for engine, queue in queues.items():
                    port = ports[engine]
                    if ctx.get(port.instr.valid) and ctx.get(port.instr.ready):
                        self.issued[engine].append(clock[0])
                        wait[engine] = (
                            queue[len(self.issued[engine])][2] if len(self.issued[engine]) < len(queue) else 0
                        )
                    if ctx.get(port.retire.valid):
                        self.retired[engine].append(clock[0])
                    if ctx.get(port.commit.valid):
                        self.committed[engine].append(clock[0])
                        events = port.commit.events
                        self.events[engine].append({n: ctx.get(getattr(events, n)) for n in event_names(engine)})
                    self.fault = self.fault or ctx.get(port.fault)
                if ctx.get(core.compute.early):
                    self.early.append(clock[0])
                await ctx.tick()
                clock[0] += 1
            else:
                pytest.fail("the engines did not finish")
            banks = self.config.banks
            out = bytearray()
            ctx.set(self.dut.ofm.read1.en, 1)
            for at in range(0, len(self.machine.spad[Space.OFM]), banks):
                ctx.set(self.dut.ofm.read1.address, at)
                await ctx.tick().repeat(2)
                out += ctx.get(self.dut.ofm.read1.data).to_bytes(banks, "little")
            self.ofm = np.frombuffer(bytes(out), np.uint8)

        sim.add_testbench(bench)
        sim.run()


def small(rng: Random, dataflow: Dataflow) -> ArchConfig:
    rows, cols = rng.choice([(2, 2), (3, 2), (4, 4), (2, 5), (5, 3), (8, 4)])
    taps = rng.choice([0, 2, min(3, rows)]) if dataflow == "weight_stationary" else 0
    return ArchConfig(
        dense=DenseConfig(rows=rows, cols=cols, dataflow=dataflow, depthwise_taps=taps),
        memory=MemoryConfig(ifm_kib=1, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=64),
        bus=BusConfig(data_bytes=4, burst_beats=4, outstanding=1),
    )


def random_compute(rng: Random, config: ArchConfig, half: int) -> Compute:
    rows, cols, n = config.dense.rows, config.dense.cols, config.banks
    w, h = rng.randint(1, 6), rng.randint(1, 4)
    if config.dense.depthwise_taps and rng.random() < 0.4:
        channels = rng.randint(1, min(rows, cols))
        pixel = channels + rng.randint(0, 3)
        kx, stride = rng.randint(1, config.dense.depthwise_taps), rng.randint(1, 3)
        return Compute(
            source=Space.IFM, act=rng.randint(0, 30), out_w=w, out_h=h, x_stride=pixel, y_stride=rng.randint(1, 40),
            run=channels, kx=kx, kx_stride=stride, ky=rng.randint(1, 3), ky_stride=rng.randint(1, 40),
            weight=rng.randint(0, 30), filters=channels, acc=64 * half + rng.randint(0, 20),
            op=rng.choice([AccumulateOp.SET, AccumulateOp.ADD]), flatten=0, depthwise=1, reuse_weights=0, hold=0,
            layer=1,
        )  # fmt: skip
    run, kx, ky = rng.randint(1, 2 * rows), rng.randint(1, 3), rng.randint(1, 3)
    if rng.random() < 0.4:
        run, kx, ky = rng.randint(1, rows), 1, 1
    flatten = rng.random() < 0.5
    kx_stride, ky_stride = rng.randint(run, run + 9), rng.randint(1, 60)
    if flatten:
        # Element k lies k modulo the banks further.
        kx_stride = run + n * rng.randint(0, 1)
        ky_stride = run + (kx - 1) * kx_stride + n * rng.randint(0, 2)
    pool = not flatten and rng.random() < 0.3
    if pool:
        run = rng.randint(1, min(rows, cols))
    filters = run if pool else rng.randint(1, cols)
    return Compute(
        source=Space.IFM, act=rng.randint(0, 99), out_w=w, out_h=h, x_stride=rng.randint(1, 20),
        y_stride=rng.randint(1, 60), run=run, kx=kx, kx_stride=kx_stride, ky=ky, ky_stride=ky_stride,
        weight=rng.randint(0, 60), filters=filters, acc=64 * half + rng.randint(0, 20),
        op=rng.choice(list(AccumulateOp)) if pool or run * kx * ky <= rows else rng.choice([0, 1]),
        flatten=int(flatten), depthwise=0, reuse_weights=int(pool), hold=int(rng.random() < 0.2), layer=2,
    )  # fmt: skip


def random_posts(rng: Random, config: ArchConfig, compute: Compute, loaded: int) -> list[Instruction]:
    constants = PostConfig(
        zero_point=rng.randint(-128, 127), low=rng.randint(-128, 0), high=rng.randint(0, 127),
        main=rng.randint(-65536, 65535), skip=rng.randint(-65536, 65535), offset=rng.randint(-(1 << 20), 1 << 20),
        shift=rng.randint(9, 20), residual_low=rng.randint(-128, 0), residual_high=rng.randint(0, 127),
    )  # fmt: skip
    filters = compute.filters
    pixels = 1 if compute.hold else compute.out_w * compute.out_h
    w = pixels if rng.random() < 0.5 or compute.hold else compute.out_w
    post = Post(
        acc=compute.acc, out_w=w, out_h=pixels // w, ofm=rng.randint(0, 99), x_stride=rng.randint(filters, 8),
        y_stride=rng.randint(0, 40) + 8 * w, filters=filters, load_params=int(filters > loaded or rng.random() < 0.5),
        params=8 * rng.randint(0, 9), residual=int(rng.random() < 0.5), skip_source=Space.IFM,
        skip=rng.randint(0, 99), skip_x_stride=rng.randint(0, 9), skip_y_stride=rng.randint(0, 40),
    )  # fmt: skip
    fill = PostFill(
        value=rng.randint(-128, 127), spad=rng.randint(0, 99), rows=rng.randint(1, 3), row_bytes=rng.randint(1, 20),
        spad_stride=rng.randint(20, 40),
    )  # fmt: skip
    out: list[Instruction] = [constants] if not loaded or rng.random() < 0.5 else []
    return [*out, post, *([fill] if rng.random() < 0.3 else [])]


def realistic_params(bench: Bench, rng: np.random.Generator) -> None:
    """Scales for which the sums of random bytes spread over the int8 range; shifts in 8..63."""
    params = bench.machine.spad[Space.PARAM]
    params[:] = rng.integers(0, 256, params.shape)
    # Every byte may be the shift of some channel: keep each in 8..63, mostly where results are neither 0 nor saturated.
    params[:] = np.where(
        rng.random(params.shape) < 0.7, rng.integers(28, 40, params.shape), rng.integers(8, 64, params.shape)
    )


@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
@pytest.mark.parametrize("seed", range(12))
def test_random_program(seed, dataflow):
    """Bytes, retire cycles and events of random instructions, back to back or not, equal model and timing."""
    rng = Random(seed)
    config = small(rng, dataflow)
    bench = Bench(config, seed)
    realistic_params(bench, np.random.default_rng(seed))

    steps: list[tuple[Engine, Instruction, int, tuple[int, int]]] = []
    computes = posts = 0
    loaded = 0
    retired_posts = [0]
    for n in range(8):
        half = n % 2
        group = 1 if n < 2 else rng.randint(1, 2)
        for k in range(group):
            c = random_compute(rng, config, half)
            if k == group - 1 and rng.random() < 0.8 and chains(c, config):
                c = dataclasses.replace(c, chain=1, signal=1 << Engine.POST)
            need = retired_posts[n - 1] if n > 1 else 0
            steps.append((Engine.COMPUTE, c, rng.choice([0, 0, 0, 30]), (0, need)))
            computes += 1
        for p in random_posts(rng, config, c, loaded):
            if isinstance(p, Post) and p.load_params:
                loaded = p.filters
            steps.append((Engine.POST, p, rng.choice([0, 0, 20]), (computes, 0)))
            posts += 1
        retired_posts.append(posts)
    bench.run(steps)

    assert bench.fault == 0
    bench.machine.run(i for _, i, _, _ in steps)
    check(bench, steps)


def chains(compute: Compute, config: ArchConfig) -> bool:
    if compute.op != AccumulateOp.SET or compute.depthwise or compute.hold:
        return False
    single = reduction_tiles(compute, config.dense.rows).count == 1
    return single and config.dense.dataflow == "weight_stationary"


def check(bench: Bench, steps) -> None:
    early = iter(bench.early)
    compute, post = compute_timing(bench.config), PostTiming(bench.config)
    for engine, timing, events in (
        (Engine.COMPUTE, compute, lambda i: compute_events(i, bench.config)),
        (Engine.POST, post, post_events),
    ):
        mine = [i for e, i, _, _ in steps if e == engine]
        assert len(bench.issued[engine]) == len(mine)
        for k, i in enumerate(mine):
            issued = bench.issued[engine][k]
            assert issued >= timing.ready(), f"{engine.name} {k} was issued before it should be ready"
            assert bench.retired[engine][k] == timing.issue(issued, i), f"{engine.name} {k}: {i}"
            if i.early:
                assert next(early) == compute.early(), f"{engine.name} {k}: {i}"
            assert bench.events[engine][k] == dict.fromkeys(event_names(engine), 0) | events(i), (
                f"{engine.name} {k}: {i}"
            )
        commits = bench.committed[engine]
        assert all(b - a >= COMMIT_SPACING for a, b in pairwise(commits)), f"{engine.name} commits at {commits}"
        assert all(a <= b for a, b in zip(commits, bench.retired[engine], strict=True))
    np.testing.assert_array_equal(bench.ofm, bench.machine.spad[Space.OFM])


@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
@pytest.mark.parametrize("lengths", [(12, 1, 1, 1, 12, 1, 12, 1), (12, 2, 1, 3, 1, 12, 3, 2), (5, 1, 4, 1, 3, 1, 2, 1)])
def test_short_instructions_behind_long_ones(lengths, dataflow):
    """They are done within a cycle or two of one another, and their events are committed apart all the same."""
    config = ArchConfig(
        dense=DenseConfig(rows=4, cols=4, dataflow=dataflow, depthwise_taps=0),
        memory=MemoryConfig(ifm_kib=1, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=64),
        bus=BusConfig(data_bytes=4, burst_beats=4, outstanding=1),
    )
    bench = Bench(config, 0)
    steps: list[tuple[Engine, Instruction, int, tuple[int, int]]] = [
        (
            Engine.COMPUTE,
            Compute(
                source=Space.IFM, act=0, out_w=length, out_h=1, x_stride=1, y_stride=0, run=1, kx=1, kx_stride=0, ky=1,
                ky_stride=0, weight=0, filters=1, acc=0, op=AccumulateOp.SET, flatten=0, depthwise=0, reuse_weights=0,
                hold=0, layer=k,
            ),
            0,
            (0, 0),
        )
        for k, length in enumerate(lengths)
    ]  # fmt: skip
    bench.run(steps)
    bench.machine.run(i for _, i, _, _ in steps)
    check(bench, steps)


ONE_TILE = Compute(
    source=Space.IFM, act=0, out_w=40, out_h=1, x_stride=3, y_stride=0, run=3, kx=1, kx_stride=0, ky=1, ky_stride=0,
    weight=0, filters=4, acc=0, op=AccumulateOp.SET, flatten=0, depthwise=0, reuse_weights=0, hold=0,
)  # fmt: skip
FOUR = ArchConfig(
    dense=DenseConfig(rows=4, cols=4, depthwise_taps=2),
    memory=MemoryConfig(ifm_kib=1, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=64),
    bus=BusConfig(data_bytes=4, burst_beats=4, outstanding=1),
)


def test_the_output_stage_follows_a_chained_tile_and_its_sums_are_the_same():
    """A token early by all pixels but one; the outputs are those of the instructions one after the other."""
    post = Post(
        acc=0, out_w=40, out_h=1, ofm=0, x_stride=4, y_stride=0, filters=4, load_params=0, params=0, residual=0,
        skip_source=Space.IFM, skip=0, skip_x_stride=0, skip_y_stride=0,
    )  # fmt: skip
    config = PostConfig(zero_point=3, low=-128, high=127)
    ends = {}
    for chain in (0, 1):
        bench = Bench(FOUR, 7)
        realistic_params(bench, np.random.default_rng(7))
        compute = dataclasses.replace(ONE_TILE, chain=chain, signal=1 << Engine.POST)
        load = dataclasses.replace(post, load_params=1)
        # The first POST takes the parameters; the second one has nothing but its pixels to do.
        steps = [(Engine.COMPUTE, compute, 0, (0, 0)), (Engine.POST, config, 0, (0, 0))]
        steps += [(Engine.POST, load, 0, (1, 0)), (Engine.COMPUTE, compute, 0, (0, 2)), (Engine.POST, post, 0, (2, 0))]
        bench.run(steps)
        bench.machine.run(i for _, i, _, _ in steps)
        check(bench, steps)
        ends[chain] = bench.retired[Engine.POST][-1]
        assert len(bench.early) == 2 * chain
    assert ends[0] - ends[1] == 2 * (40 - 1)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"hold": 1}, id="all pixels in one sum"),
        pytest.param({"depthwise": 1, "run": 4, "kx": 2, "kx_stride": 1}, id="depthwise"),
    ],
)
def test_what_makes_no_sum_per_cycle_cannot_be_chained(wrong):
    bench = Bench(FOUR, 0)
    bench.run([(Engine.COMPUTE, dataclasses.replace(ONE_TILE, chain=1, **wrong), 0, (0, 0))])
    assert bench.fault == Fault.OPCODE
    fine = Bench(FOUR, 0)
    fine.run([(Engine.COMPUTE, dataclasses.replace(ONE_TILE, **wrong), 0, (0, 0))])
    assert fine.fault == 0


def test_an_output_stationary_array_cannot_chain():
    dense = DenseConfig(rows=4, cols=4, dataflow="output_stationary", depthwise_taps=0)
    bench = Bench(ArchConfig(dense=dense, memory=FOUR.memory, bus=FOUR.bus), 0)
    bench.run([(Engine.COMPUTE, dataclasses.replace(ONE_TILE, chain=1), 0, (0, 0))])
    assert bench.fault == Fault.OPCODE


def test_a_chained_tile_that_adds_runs_into_its_own_output_stage():
    bench = Bench(FOUR, 0)
    post = Post(
        acc=0, out_w=40, out_h=1, ofm=0, x_stride=4, y_stride=0, filters=4, load_params=0, params=0, residual=0,
        skip_source=Space.IFM, skip=0, skip_x_stride=0, skip_y_stride=0,
    )  # fmt: skip
    adding = dataclasses.replace(ONE_TILE, op=AccumulateOp.ADD, chain=1, signal=1 << Engine.POST)
    bench.run([(Engine.COMPUTE, adding, 0, (0, 0)), (Engine.POST, post, 0, (1, 0))])
    assert bench.fault == Fault.BANK
