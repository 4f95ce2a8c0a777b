from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.quantize import Range, activation_params, quantize_weights
from tests.compiler.builders import rand


@pytest.mark.parametrize(
    ("values", "zero_point"), [(Range(0, 6), -128), (Range(-6, 0), 127), (Range(-1, 1), 0), (Range(0, 0), -128)]
)
def test_zero_points(values: Range, zero_point: int):
    assert activation_params(values).zero_point in (zero_point, zero_point - 1)


@given(st.floats(-1e4, 0), st.floats(0, 1e4))
def test_the_whole_range_is_representable_and_zero_exactly(low: float, high: float):
    quant = activation_params(Range(low, high))
    assert -128 <= quant.zero_point <= 127
    assert quant.dequantize(quant.quantize(np.zeros(1, np.float32)))[0] == 0
    ends = np.asarray([low, high], np.float32)
    assert np.abs(quant.dequantize(quant.quantize(ends)) - ends).max() <= quant.scale * 1.01


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_weights_are_symmetric_per_channel(axis: int):
    weights = rand(4, 3, 2, 5)
    q, scale = quantize_weights(weights, axis)
    shape = [1] * 4
    shape[axis] = -1
    assert scale.shape == (weights.shape[axis],)
    assert np.abs(q).max() == 127
    assert (np.abs(q * scale.reshape(shape) - weights) <= scale.reshape(shape) * 0.5001).all()


def test_a_channel_of_zeros_stays_zero():
    q, scale = quantize_weights(np.zeros((2, 3), np.float32), 0)
    assert not q.any()
    assert (scale > 0).all()
