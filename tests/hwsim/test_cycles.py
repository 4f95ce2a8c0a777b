"""The cycle model: cycles and events of a program, without running it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.mapping.compile import compile_graph
from compiler.program.program import Segment
from hwsim.cycles import ProgramCycles, layer_cycles, program_cycles, segment_cycles
from rtl.config import ArchConfig, DramConfig
from rtl.control.timing import DeadlockError
from rtl.counters import COUNTERS
from rtl.isa import ENGINE_COUNT, End, Engine, Load, PostConfig, PostFill, Store
from tests.compiler.mapping.hosted import hosted_network
from tests.system.random_archs import random_arch
from tests.system.random_layers import random_case

NAMES = [counter.name for counter in COUNTERS]


def predicted(seed: int, **dram: int) -> ProgramCycles:
    config = random_arch(seed)
    program = compile_graph(random_case(seed, most_macs=4000).graph, config)
    return program_cycles(program, config.model_copy(update={"dram": DramConfig(**dram)}) if dram else config)


def segment(*instructions: Load | PostConfig | PostFill | Store) -> Segment:
    return Segment((*instructions, End()), address=0)


LOAD = Load(layer=1, space=0, dram=0, spad=0, rows=2, row_bytes=20, dram_stride=32, spad_stride=20)


def test_events_of_an_instruction_count_for_its_layer():
    out = segment_cycles(segment(LOAD), 3, ArchConfig())
    counts = {name: count for name, count in zip(NAMES, out.counters[1], strict=True) if count}
    assert counts == {"dram_read_bytes": 40, "dram_read_beats": 4, "dram_read_bursts": 2, "ifm_write_bytes": 40}
    assert not out.counters[[0, 2]].any()


def test_the_last_retirement_of_an_engine_is_known_by_layer():
    out = segment_cycles(segment(LOAD, PostConfig(layer=2, zero_point=0, low=0, high=0)), 3, ArchConfig())
    assert out.last_retire[1, Engine.LOAD] == out.retire[0]
    assert out.last_retire[2, Engine.POST] == out.retire[1]
    assert np.count_nonzero(out.last_retire) == 2


def test_a_wait_is_counted_as_a_stall_of_who_waits():
    give = dataclasses.replace(LOAD, signal=1 << Engine.POST)
    take = PostFill(layer=0, value=0, spad=0, rows=1, row_bytes=1, spad_stride=0, wait=1 << Engine.LOAD)
    out = segment_cycles(segment(give, take), 2, ArchConfig())
    assert out.issue[1] == out.retire[0] + 1
    stalls = out.counters[:, NAMES.index("post_waits_for_load")]
    assert stalls[0] > 0
    assert stalls[1] == 0


def test_a_deadlock_is_an_error():
    store = Store(spad=0, rows=1, row_bytes=1, spad_stride=0, dram=0, dram_stride=0, wait=1 << Engine.LOAD)
    with pytest.raises(DeadlockError, match=r"^STORE: no token comes for what waits, from instruction 0 on$"):
        segment_cycles(segment(store), 1, ArchConfig())


@pytest.mark.parametrize("seed", range(12))
def test_cycles_of_layers_sum_up_to_all(seed):
    out = predicted(seed)
    assert out.layers.sum() == out.cycles
    assert (out.layers >= 0).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_slower_memory_never_saves_cycles_and_moves_as_much(seed):
    fast, slow, narrow = (
        predicted(seed, latency_cycles=1),
        predicted(seed, latency_cycles=150),
        predicted(seed, latency_cycles=1, beat_interval=4),
    )
    assert fast.cycles < slow.cycles
    assert fast.cycles < narrow.cycles
    events = [k for k, name in enumerate(NAMES) if "waits_for" not in name]
    assert np.array_equal(fast.counters[:, events], slow.counters[:, events])
    assert np.array_equal(fast.counters[:, events], narrow.counters[:, events])


def test_segments_of_a_program_add_up():
    config = random_arch(1)
    program = compile_graph(hosted_network(keep=False), config)
    out = program_cycles(program, config)
    alone = [segment_cycles(s, len(program.layers), config) for s in program.segments]
    assert len(alone) == 2
    assert out.cycles == sum(part.cycles for part in alone)
    assert np.array_equal(out.counters, alone[0].counters + alone[1].counters)
    assert out.layers.sum() == out.cycles


@settings(derandomize=True, deadline=None)
@given(st.lists(st.lists(st.integers(0, 100), min_size=ENGINE_COUNT, max_size=ENGINE_COUNT), max_size=6))
def test_layers_share_out_all_cycles_whatever_their_order(retirements):
    ends = np.array(retirements, np.int64).reshape(-1, ENGINE_COUNT)
    shares = layer_cycles(ends, 150)
    assert (shares >= 0).all()
    assert shares.sum() == (150 if ends.any() else 0)
    assert not shares[ends.max(axis=1, initial=0) == 0].any()


def test_a_layer_that_ends_within_another_costs_nothing():
    assert layer_cycles(np.array([[0, 0, 90, 0], [0, 0, 50, 0], [0, 0, 95, 0]]), 100).tolist() == [90, 0, 10]
