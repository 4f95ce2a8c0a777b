"""Operand isolation changes no sum: the isolated column answers as the plain one, and stands still at zeros."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from hwsim.silicon.characterisation.isolation import ZERO, isolated_stimulus, relu_zeros
from hwsim.silicon.switching.operands import layer_operands, tiles
from hwsim.silicon.switching.stimulus import column_stimulus
from rtl.config import ArchConfig, DenseConfig
from rtl.dense.weight_stationary.isolated import IsolatedColumn


@pytest.fixture(scope="module")
def chosen():
    return tiles(list(layer_operands()), 4, vectors=8, count=4)


@pytest.mark.parametrize("taps", [0, 3])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_sums_are_those_of_the_plain_column(chosen, taps: int, share: float) -> None:
    config = ArchConfig(dense=DenseConfig(rows=4, cols=2, depthwise_taps=taps))
    plain = column_stimulus(relu_zeros(chosen, share), taps=taps, psum_bits=config.psum_bits)
    stimulus = isolated_stimulus(plain, 4)
    dut = IsolatedColumn(config)
    mask = (1 << config.psum_bits) - 1
    answered = []

    async def bench(ctx) -> None:
        for cycle in range(stimulus.cycles):
            for name, values in stimulus.inputs.items():
                if name != "rst":
                    ctx.set(getattr(dut, name), int(values[cycle]))
            answered.append(ctx.get(dut.psum_o) & mask)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    expected = stimulus.expected["psum_o"]
    checked = [cycle for cycle in range(stimulus.cycles) if expected[cycle] != -1]
    assert len(checked) >= 24
    assert [answered[cycle] for cycle in checked] == [expected[cycle] for cycle in checked]


def test_a_flagged_activation_is_the_one_before(chosen) -> None:
    stimulus = isolated_stimulus(column_stimulus(relu_zeros(chosen, 0.5), taps=0, psum_bits=18), 4)
    act, zero = stimulus.inputs["act_i"], stimulus.inputs["zero_i"]
    assert any(zero)
    for cycle in range(1, stimulus.cycles):
        for row in range(4):
            if zero[cycle] >> row & 1:
                assert act[cycle] >> 8 * row & 0xFF == act[cycle - 1] >> 8 * row & 0xFF


def test_zeros_are_as_many_as_were_asked_for(chosen) -> None:
    for share in (0.0, 0.5, 1.0):
        made = relu_zeros(chosen, share)
        assert np.mean([tile.activations == ZERO for tile in made]) == pytest.approx(share, abs=0.1)
