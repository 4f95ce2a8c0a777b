"""Chaining: a POST follows a COMPUTE's sums where nothing but those keeps it waiting, and nowhere else."""

from __future__ import annotations

import dataclasses

import pytest

from compiler.program.chaining import chainable, chaining_rows
from compiler.program.hazards import Memory, Range, TokenPlacer
from rtl.config import ArchConfig, DenseConfig, load_arch
from rtl.isa import AccumulateOp, Compute, Engine, Instruction, Post, Space

ROWS = 8
OUTPUT_STATIONARY = DenseConfig(dataflow="output_stationary", depthwise_taps=0)
COMPUTE = Compute(
    source=Space.IFM, act=0, out_w=5, out_h=2, x_stride=8, y_stride=40, run=8, kx=1, kx_stride=0, ky=1, ky_stride=0,
    weight=0, filters=8, acc=64, op=AccumulateOp.SET, flatten=0, depthwise=0, reuse_weights=0, hold=0,
)  # fmt: skip
POST = Post(
    acc=64, out_w=10, out_h=1, ofm=0, x_stride=8, y_stride=0, filters=8, load_params=1, params=0, residual=0,
    skip_source=Space.IFM, skip=0, skip_x_stride=0, skip_y_stride=0,
)  # fmt: skip
SUMS = (Range(Memory.ACCUMULATOR, 64, 128),)


def test_a_post_of_all_sums_of_one_tile_follows_them():
    assert chainable(COMPUTE, POST, ROWS)
    assert chainable(dataclasses.replace(COMPUTE, run=2, kx=2, ky=2, flatten=1), POST, ROWS)


@pytest.mark.parametrize(
    "compute",
    [
        pytest.param({"run": 9}, id="two tiles"),
        pytest.param({"run": 2, "kx": 2}, id="a tile for each run"),
        pytest.param({"op": AccumulateOp.ADD}, id="adds to what is there"),
        pytest.param({"op": AccumulateOp.MAX}, id="maximum"),
        pytest.param({"hold": 1}, id="one sum of all pixels"),
        pytest.param({"depthwise": 1}, id="depthwise"),
        pytest.param({"acc": 65}, id="other accumulators"),
        pytest.param({"out_h": 3}, id="more pixels than are drained"),
    ],
)
def test_other_computes_are_waited_for(compute):
    assert not chainable(dataclasses.replace(COMPUTE, **compute), POST, ROWS)


def test_only_a_weight_stationary_array_chains():
    assert chaining_rows(load_arch("dense-16x16")) == 16
    assert chaining_rows(ArchConfig(dense=OUTPUT_STATIONARY)) == 0
    assert chaining_rows(load_arch("eie-64")) == 0
    assert not chainable(COMPUTE, POST, 0)


def placed(*touches: tuple[Instruction, tuple[Range, ...], tuple[Range, ...]]) -> list[Instruction]:
    placer = TokenPlacer(ROWS)
    for step in touches:
        placer.emit(*step)
    return placer.finish()


def test_a_compute_is_chained_to_the_post_that_waits_for_its_sums():
    compute, post = placed((COMPUTE, (), SUMS), (POST, SUMS, (Range(Memory.OFM, 0, 80),)))
    assert isinstance(compute, Compute)
    assert (compute.chain, compute.signal, post.wait) == (1, 1 << Engine.POST, 1 << Engine.COMPUTE)
    assert compute.early == 1 << Engine.POST


def test_a_post_that_writes_over_the_activations_waits_for_all_of_the_compute():
    reads = (Range(Memory.OFM, 40, 120),)
    compute, _ = placed((COMPUTE, reads, SUMS), (POST, SUMS, (Range(Memory.OFM, 0, 80),)))
    assert isinstance(compute, Compute)
    assert (compute.chain, compute.signal, compute.early) == (0, 1 << Engine.POST, 0)


def test_activations_of_an_earlier_compute_do_not_matter_since_it_has_retired_by_then():
    before = (dataclasses.replace(COMPUTE, acc=0), (Range(Memory.OFM, 40, 120),), (Range(Memory.ACCUMULATOR, 0, 64),))
    _, compute, _ = placed(before, (COMPUTE, (), SUMS), (POST, SUMS, (Range(Memory.OFM, 0, 80),)))
    assert isinstance(compute, Compute)
    assert compute.chain == 1


def test_a_compute_whose_sums_another_one_has_begun_is_waited_for():
    """The token is the second one's, and that one adds."""
    adds = dataclasses.replace(COMPUTE, op=AccumulateOp.ADD)
    first, second, _ = placed((COMPUTE, (), SUMS), (adds, (), SUMS), (POST, SUMS, ()))
    assert [(i.chain, i.signal) for i in (first, second) if isinstance(i, Compute)] == [(0, 0), (0, 1 << Engine.POST)]
