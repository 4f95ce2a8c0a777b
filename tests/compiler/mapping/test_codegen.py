"""Compiled programs: what their instructions touch is in bounds, ordered by tokens, and no more than asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.mapping.compile import compile_graph
from compiler.program.hazards import Memory
from compiler.program.program import Program
from rtl.config import ArchConfig
from rtl.isa import (
    ENGINE_COUNT,
    AccumulateOp,
    Compute,
    Engine,
    Instruction,
    Load,
    Post,
    PostConfig,
    PostFill,
    Space,
    Store,
)
from tests.compiler.mapping.footprint import footprint, memory_sizes
from tests.compiler.program.order import left_over, races
from tests.system.random_archs import random_arch
from tests.system.random_layers import random_case

NETWORKS = 60


def compiled(seed: int, *, observe: bool = False) -> tuple[Program, ArchConfig] | None:
    case, config = random_case(seed, most_macs=6000), random_arch(seed)
    names = {op.output for op in case.graph.operators()} if observe else set()
    try:
        return compile_graph(case.graph, config, observe=names), config
    except ModelError:
        return None


def programs(first: int) -> list[tuple[list[Instruction], Program, ArchConfig]]:
    found = [compiled(seed, observe=seed % 3 == 0) for seed in range(first, first + NETWORKS)]
    return [(list(p.segments[0].instructions[:-1]), p, config) for p, config in filter(None, found)]


@pytest.mark.parametrize("first", [5000, 6000])
def test_engines_never_race(first):
    for instructions, program, config in programs(first):
        sizes = memory_sizes(config, program.window_bytes)
        assert races(instructions, [footprint(i, config) for i in instructions], sizes) == []
        assert left_over(instructions) == 0


def test_losing_any_token_is_a_race_or_a_deadlock_that_is_seen():
    """The check above can fail: a program without tokens does."""
    instructions, program, config = programs(5000)[0]
    blind = [dataclasses.replace(i, wait=0, signal=0) for i in instructions]
    assert races(blind, [footprint(i, config) for i in blind], memory_sizes(config, program.window_bytes))


def test_instructions_stay_within_their_memories():
    for instructions, program, config in programs(7000):
        sizes = memory_sizes(config, program.window_bytes)
        for i in instructions:
            for touched in footprint(i, config):
                for memory, addresses in touched.items():
                    assert 0 <= addresses.min() <= addresses.max() < sizes[memory], i


def test_a_residual_that_the_output_stage_wrote_has_left_it():
    """POST retires in order, but reads a residual before an earlier POST has written: only PostConfig and PostFill
    wait until all is written."""
    checked = 0
    for instructions, _, config in programs(8000) + programs(8100):
        written: set[int] = set()
        for i in instructions:
            if i.ENGINE != Engine.POST:
                continue
            reads, writes = footprint(i, config)
            if isinstance(i, (PostConfig, PostFill)):
                written.clear()
            if isinstance(i, Post) and i.residual and Memory.OFM in reads:
                checked += 1
                assert not written & set(reads[Memory.OFM].tolist())
            written |= set(writes.get(Memory.OFM, np.zeros(0, int)).tolist())
    assert checked > 3


def features(i: Instruction, config: ArchConfig) -> set[str]:
    """What is special about an instruction."""
    match i:
        case Compute():
            marks = {"flatten": i.flatten, "depthwise": i.depthwise, "reuse": i.reuse_weights, "hold": i.hold}
            marks |= {"resident input": i.source == Space.OFM, "maximum": i.op == AccumulateOp.MAX}
            marks |= {
                "second window": i.op == AccumulateOp.ADD,
                "dilated": i.kx > 1 and not i.depthwise and not i.reuse_weights,
            }
            marks |= {
                "strided depthwise": i.depthwise and i.kx_stride > 1,
                "all columns": i.filters == config.dense.cols,
            }
        case Post():
            marks = {"residual from IFM": i.residual and i.skip_source == Space.IFM}
            marks |= {"residual from OFM": i.residual and i.skip_source == Space.OFM}
            marks |= {"parameters that stay": not i.load_params}
        case Load() | Store():
            marks = {f"{type(i).__name__} of several rows": i.rows > 1}
        case _:
            marks = {type(i).__name__: True}
    return {name for name, there in marks.items() if there}


def test_random_networks_use_all_that_there_is():
    """The generator is a test of nothing that it never makes."""
    seen: set[str] = set()
    for instructions, _, config in programs(100) + programs(200):
        seen |= set().union(*(features(i, config) for i in instructions))
    assert seen == {
        "flatten", "depthwise", "reuse", "hold", "resident input", "maximum", "second window", "dilated",
        "strided depthwise", "all columns", "residual from IFM", "residual from OFM", "parameters that stay",
        "Load of several rows", "Store of several rows", "Fill", "PostFill", "PostConfig",
    }  # fmt: skip


def test_tokens_never_come_near_the_most_that_can_be_counted():
    """Even if every engine but the taker ran to its end: dispatch in order bounds how far one gets ahead."""
    for instructions, _, config in programs(9000):
        depth = config.control.queue_depth
        for giver in range(ENGINE_COUNT):
            for taker in range(ENGINE_COUNT):
                waits = [k for k, i in enumerate(instructions) if taker == i.ENGINE and i.wait >> giver & 1]
                gives = [k for k, i in enumerate(instructions) if giver == i.ENGINE and i.signal >> taker & 1]
                own = [k for k, i in enumerate(instructions) if taker == i.ENGINE]
                for done, at in enumerate([*waits, len(instructions)]):
                    # The taker stands before its wait number `done`; dispatch is a full queue ahead of it.
                    behind = [k for k in own if k >= at][depth : depth + 1] or [len(instructions)]
                    assert sum(k < behind[0] for k in gives) - done <= 255
