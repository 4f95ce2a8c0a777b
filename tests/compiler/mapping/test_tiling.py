"""Tiles: they cover the output once, and never exceed what there is room for."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compiler.errors import ModelError
from compiler.ir import Conv, Pool
from compiler.mapping.job import Job
from compiler.mapping.jobs.operators import jobs_of
from compiler.mapping.tiling import Budget, Tile, choose_tile, input_pitch, lines_up, patch_sizes, patches
from rtl.config import ArchConfig, MemoryConfig
from tests.system.random_layers import random_case

CONFIG = ArchConfig(memory=MemoryConfig(ifm_kib=2, ofm_kib=2, accumulators=64))

budgets = st.builds(
    Budget,
    ifm=st.one_of(st.none(), st.integers(1, 4096)),
    skip_in_ifm=st.booleans(),
    ofm=st.one_of(st.none(), st.integers(1, 4096)),
    pixels=st.integers(1, 200),
    channels=st.integers(1, 64),
)


@cache
def job_of(seed: int) -> Job | None:
    graph = random_case(seed).graph
    operators = [op for op in graph.operators() if isinstance(op, (Conv, Pool))]
    return jobs_of(graph, operators[0], CONFIG)[0] if operators else None


def input_bytes(job: Job, tile: Tile) -> int:
    rows, cols = (
        (size - 1) * job.strides[axis] + job.kernel[axis] for axis, size in enumerate((tile.height, tile.width))
    )
    return rows * input_pitch(cols, job.in_shape[2], job.natural_run, CONFIG.banks)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, 60), budgets)
def test_a_tile_keeps_to_its_budget_or_not_even_a_pixel_would(seed, budget):
    job = job_of(seed)
    assume(job is not None and not job.hold)
    assert job is not None
    budget = dataclasses.replace(budget, skip_in_ifm=budget.skip_in_ifm and job.skip is not None)
    try:
        tile = choose_tile(job, CONFIG, budget)
    except ModelError:
        assert not fits(job, budget, Tile(1, 1))
        return
    assert 1 <= tile.height <= job.out_shape[0]
    assert 1 <= tile.width <= job.out_shape[1]
    assert tile.height * tile.width <= min(CONFIG.memory.accumulators, budget.pixels)
    assert fits(job, budget, tile)


def fits(job: Job, budget: Budget, tile: Tile) -> bool:
    """One tile at least; that there is room for two is for speed."""
    out_bytes = tile.height * tile.width * budget.channels
    # A residual comes with all its channels, whatever the group.
    skip = tile.height * tile.width * job.out_shape[2] if budget.skip_in_ifm else 0
    ifm = (input_bytes(job, tile) if budget.ifm is not None else 0) + skip
    room = CONFIG.memory.ifm_kib * 1024 if budget.ifm is None else budget.ifm
    whole = (tile.height, tile.width) == job.out_shape[:2] and budget.channels == sum(t.filters for t in job.tiles)
    several = 1 if whole else 2
    return ifm * several <= room and (budget.ofm is None or out_bytes * several <= budget.ofm)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 20))
def test_patches_cover_every_output_pixel_once(seed, height, width):
    job = job_of(seed)
    assume(job is not None)
    assert job is not None
    tile = Tile(min(height, job.out_shape[0]), min(width, job.out_shape[1]))
    pixels = [(p.y + y, p.x + x) for p in patches(job, tile) for y in range(p.height) for x in range(p.width)]
    assert sorted(pixels) == [(y, x) for y in range(job.out_shape[0]) for x in range(job.out_shape[1])]


@given(st.integers(1, 500), st.integers(1, 500))
@settings(derandomize=True, deadline=None)
def test_sizes_of_patches_add_up(total, size):
    sizes = patch_sizes(total, size)
    assert sum(length * count for length, count in sizes.items()) == total
    assert all(0 < length <= size for length, count in sizes.items() if count)


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 200), st.sampled_from([8, 16, 32]))
def test_the_pitch_is_the_least_for_which_rows_of_a_window_line_up(width, channels, run, banks):
    pitch = input_pitch(width, channels, run, banks)
    assert width * channels <= pitch < width * channels + banks
    assert lines_up(run, 1, 0, 2, pitch, banks)


@pytest.mark.parametrize(
    ("nest", "expected"),
    [
        ({"run": 5, "kx": 1, "kx_stride": 3, "ky": 1, "ky_stride": 3}, True),  # a single run
        ({"run": 5, "kx": 2, "kx_stride": 5, "ky": 1, "ky_stride": 3}, True),  # one behind the other
        ({"run": 5, "kx": 2, "kx_stride": 13, "ky": 1, "ky_stride": 3}, True),  # a word further
        ({"run": 5, "kx": 2, "kx_stride": 6, "ky": 1, "ky_stride": 3}, False),
        ({"run": 5, "kx": 2, "kx_stride": 5, "ky": 3, "ky_stride": 18}, True),
        ({"run": 5, "kx": 2, "kx_stride": 5, "ky": 3, "ky_stride": 11}, False),
    ],
)
def test_rows_line_up_when_they_are_whole_words_apart(nest, expected):
    assert lines_up(**nest, banks=8) == expected
