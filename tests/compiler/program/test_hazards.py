"""Tokens: whatever conflicts is ordered, nothing waits for ever, and no token is spent twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.program.hazards import Memory, Range, TokenPlacer
from rtl.isa import Compute, Engine, Fill, Instruction, PostConfig, Store
from tests.compiler.program.order import DeadlockError, left_over, races, retired_before

BYTES = 12

KINDS: dict[Engine, Instruction] = {
    Engine.LOAD: Fill(value=0, spad=0, rows=1, row_bytes=1, spad_stride=0),
    Engine.COMPUTE: Compute(
        source=0, act=0, out_w=1, out_h=1, x_stride=0, y_stride=0, run=1, kx=1, kx_stride=0, ky=1, ky_stride=0,
        weight=0, filters=1, acc=0, op=0, flatten=0, depthwise=0, reuse_weights=0, hold=0,
    ),
    Engine.POST: PostConfig(zero_point=0, low=0, high=0),
    Engine.STORE: Store(spad=0, rows=1, row_bytes=1, spad_stride=0, dram=0, dram_stride=0),
}  # fmt: skip

ranges = st.builds(
    lambda memory, start, size: Range(memory, start, min(BYTES, start + size)),
    st.sampled_from([Memory.IFM, Memory.OFM, Memory.ACCUMULATOR]),
    st.integers(0, BYTES - 1),
    st.integers(1, BYTES),
)
touches = st.lists(ranges, max_size=2).map(tuple)
steps = st.lists(st.tuples(st.sampled_from(list(Engine)), touches, touches), max_size=25)

Steps = list[tuple[Engine, tuple[Range, ...], tuple[Range, ...]]]


def place(steps: Steps) -> list[Instruction]:
    placer = TokenPlacer()
    for engine, reads, writes in steps:
        placer.emit(KINDS[engine], reads, writes)
    return placer.finish()


def addresses(touched: tuple[Range, ...]) -> dict[int, np.ndarray]:
    by_memory: dict[int, list[np.ndarray]] = {}
    for memory, start, stop in touched:
        by_memory.setdefault(memory, []).append(np.arange(start, stop))
    return {memory: np.concatenate(parts) for memory, parts in by_memory.items()}


def races_of(steps: Steps, program: list[Instruction]) -> list[tuple[int, int, str]]:
    accesses = [(addresses(reads), addresses(writes)) for _, reads, writes in steps]
    return races(program, accesses, dict.fromkeys(Memory, BYTES))


@settings(derandomize=True, deadline=None, max_examples=400)
@given(steps)
def test_whatever_conflicts_is_ordered(steps):
    assert races_of(steps, place(steps)) == []


@settings(derandomize=True, deadline=None, max_examples=200)
@given(steps)
def test_every_token_is_given_before_it_is_taken_and_none_is_left(steps):
    program = place(steps)
    retired_before(program)
    assert left_over(program) == 0


@settings(derandomize=True, deadline=None, max_examples=200)
@given(steps)
def test_no_wait_is_idle(steps):
    """Without any one pair of tokens, something that conflicts is no longer ordered by the direct way."""
    program = place(steps)
    for index, instruction in enumerate(program):
        for other in Engine:
            if instruction.wait >> other & 1:
                needed = [
                    earlier
                    for earlier, (engine, reads, writes) in enumerate(steps[:index])
                    if engine == other and conflict(steps[index], (engine, reads, writes))
                ]
                assert needed


def conflict(
    a: tuple[Engine, tuple[Range, ...], tuple[Range, ...]], b: tuple[Engine, tuple[Range, ...], tuple[Range, ...]]
) -> bool:
    def meet(ours: tuple[Range, ...], theirs: tuple[Range, ...]) -> bool:
        return any(x.memory == y.memory and x.start < y.stop and y.start < x.stop for x in ours for y in theirs)

    return meet(a[1], b[2]) or meet(a[2], b[1]) or meet(a[2], b[2])


@settings(derandomize=True, deadline=None, max_examples=200)
@given(steps)
def test_a_wait_is_for_the_last_conflict_unless_an_earlier_wait_covers_it(steps):
    """The n-th instruction of an engine that waits for another takes what the n-th that signals it gives."""
    program = place(steps)
    for here, there in ((a, b) for a in Engine for b in Engine if a != b):
        givers = iter([i for i, p in enumerate(program) if steps[i][0] == there and p.signal >> here & 1])
        awaited = -1
        for index, step in enumerate(steps):
            if step[0] != here:
                continue
            conflicts = [i for i in range(index) if steps[i][0] == there and conflict(step, steps[i])]
            needed = max(conflicts, default=-1)
            assert bool(program[index].wait >> there & 1) == (needed > awaited)
            if needed > awaited:
                assert next(givers) == needed
                awaited = needed


BYTE = (Range(Memory.IFM, 0, 1),)


def test_read_after_write():
    load, compute = place([(Engine.LOAD, (), BYTE), (Engine.COMPUTE, BYTE, ())])
    assert (load.wait, load.signal) == (0, 1 << Engine.COMPUTE)
    assert (compute.wait, compute.signal) == (1 << Engine.LOAD, 0)


def test_write_after_read_waits_for_the_reader():
    program = place([(Engine.LOAD, (), BYTE), (Engine.COMPUTE, BYTE, ()), (Engine.LOAD, (), BYTE)])
    assert program[2].wait == 1 << Engine.COMPUTE


def test_reads_do_not_wait_for_reads():
    program = place([(Engine.COMPUTE, BYTE, ()), (Engine.POST, BYTE, ())])
    assert all(i.wait == i.signal == 0 for i in program)


def test_a_wait_that_an_earlier_one_covers_is_saved():
    program = place([(Engine.LOAD, (), BYTE), (Engine.COMPUTE, BYTE, ()), (Engine.COMPUTE, BYTE, ())])
    assert program[2].wait == 0


def test_the_naive_model_sees_a_lost_token():
    steps: Steps = [(Engine.LOAD, (), BYTE), (Engine.COMPUTE, BYTE, ())]
    program = [dataclasses.replace(i, wait=0, signal=0) for i in place(steps)]
    assert races_of(steps, program) == [(0, 1, "read after write")]


def test_the_naive_model_sees_a_deadlock():
    load, compute = place([(Engine.LOAD, (), BYTE), (Engine.COMPUTE, BYTE, ())])
    with pytest.raises(DeadlockError, match=r"^instruction 1 waits for engine 0$"):
        retired_before([dataclasses.replace(load, signal=0), compute])
