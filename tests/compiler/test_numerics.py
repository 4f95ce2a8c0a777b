from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compiler.errors import ModelError
from compiler.ir import QuantParams, Requantize
from compiler.numerics import (
    MAX_SHIFT,
    RESIDUAL_BITS,
    apply_residual,
    mantissa_shift,
    requantize,
    requantize_as,
    residual,
)


def onnxruntime_rule(acc: NDArray, scale: np.float32, zero_point: int) -> NDArray:
    """MLAS, in float32."""
    product = np.float32(acc.astype(np.int32).astype(np.float32) * np.float32(scale))
    return np.clip(np.rint(product).astype(np.float64) + zero_point, -128, 127).astype(np.int8)


def check(acc: NDArray, scale: float, zero_point: int) -> None:
    scale32 = np.float32(scale)
    got = requantize(acc, *mantissa_shift(scale32), zero_point)
    np.testing.assert_array_equal(got, onnxruntime_rule(acc, scale32, zero_point))


def test_scale_is_mantissa_times_power_of_two():
    scale = np.float32([1.0, 0.1, 2.0**-40, 1.9999999 * 2**22, 3.7e-5])
    mantissa, shift = mantissa_shift(scale)
    assert ((mantissa >= 1 << 23) & (mantissa < 1 << 24)).all()
    assert ((shift >= 0) & (shift <= MAX_SHIFT)).all()
    np.testing.assert_array_equal(mantissa * 2.0 ** -shift.astype(float), scale.astype(float))


@pytest.mark.parametrize("scale", [0.0, 2.0**-41, 1e-38, 1e-45])
def test_scale_too_small_to_matter_gives_the_zero_point(scale: float):
    acc = np.array([-(2**31), -1, 0, 1, 2**31 - 1])
    mantissa, shift = mantissa_shift(scale)
    assert (mantissa, shift) == (1 << 23, MAX_SHIFT)
    np.testing.assert_array_equal(requantize(acc, mantissa, shift, -5), np.full(5, -5))


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (2.0**24, r"^requantisation scale 1\.67772e\+07 is not below 2\*\*24"),
        (-0.5, r"^requantisation scale -0\.5 is not a finite positive number$"),
        (np.nan, r"^requantisation scale nan is not"),
        (np.inf, r"^requantisation scale inf is not"),
    ],
)
def test_scale_that_the_hardware_cannot_hold_is_refused(scale: float, message: str):
    with pytest.raises(ModelError, match=message):
        mantissa_shift(scale)


def test_equals_float32_on_four_million_random_points():
    rng = np.random.default_rng(0)
    for _ in range(64):
        bits = rng.integers(1, 32)
        acc = rng.integers(-(1 << bits), (1 << bits) - (bits == 31), 65536, dtype=np.int64)
        # a scale that brings the accumulators into int8, give or take, and any 24-bit mantissa
        scale = np.float32(rng.uniform(1, 2) * 2.0 ** float(rng.integers(-3, 9) - bits))
        check(acc, float(scale), int(rng.integers(-128, 128)))


def test_equals_float32_on_ties_and_their_neighbours():
    rng = np.random.default_rng(1)
    for shift in range(1, 24):
        halves = (2 * rng.integers(-130, 130, 256) + 1) << (shift - 1)
        acc = np.concatenate([halves + d for d in (-2, -1, 0, 1, 2)])
        check(acc, 2.0**-shift, 3)
        for step in (-1, 1):  # the scales next to the power of two
            check(acc, float(np.nextafter(np.float32(2.0**-shift), np.float32(step))), 3)


def test_equals_float32_where_the_accumulator_needs_more_than_24_bits():
    edges = np.array([s * ((1 << b) + d) for b in range(22, 32) for d in range(-5, 6) for s in (1, -1)])
    edges = edges[(edges >= -(2**31)) & (edges < 2**31)]
    for power in range(-31, -14):
        for mantissa in (1.0, 1.5, 1.0000001, 1.9999999, 1.3333334):
            check(edges, mantissa * 2.0**power, -128)


@settings(max_examples=500, deadline=None)
@given(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(1 << 23, (1 << 24) - 1),
    st.integers(0, MAX_SHIFT),
    st.integers(-128, 127),
)
def test_equals_float32_for_any_point(acc: int, mantissa: int, shift: int, zero_point: int):
    got = requantize(np.array([acc]), mantissa, shift, zero_point)
    want = onnxruntime_rule(np.array([acc]), np.float32(mantissa * 2.0**-shift), zero_point)
    np.testing.assert_array_equal(got, want)


def test_rounding_once_would_give_other_bytes():
    # 0.5 + 2**-25: float32 holds the accumulator as 2**24, and half rounds to even
    acc, scale = np.array([(1 << 24) + 1]), np.float32(2.0**-25)
    assert np.rint(acc * float(scale)) == 1
    assert requantize(acc, *mantissa_shift(scale), 0) == onnxruntime_rule(acc, scale, 0) == 0


def test_bounds_of_a_fused_activation():
    rule = Requantize(np.float32([1.0]), zero_point=-10, low=-10, high=50)
    np.testing.assert_array_equal(requantize_as(np.array([[-5], [0], [20], [1000]]), rule)[:, 0], [-10, -10, 10, 50])


def test_residual_is_the_sum_of_what_its_operands_stand_for():
    rng = np.random.default_rng(2)
    wrong = total = 0
    for _ in range(50):
        main, skip, out = (QuantParams(float(rng.uniform(0.01, 0.1)), int(rng.integers(-128, 128))) for _ in range(3))
        q, r = rng.integers(-128, 128, (2, 4096)).astype(np.int8)
        real = main.scale * (q.astype(float) - main.zero_point) + skip.scale * (r.astype(float) - skip.zero_point)
        want = np.clip(np.rint(real / out.scale) + out.zero_point, -128, 127)
        got = apply_residual(q, r, residual("r", main, skip, out))
        assert np.abs(got - want).max() <= 1
        wrong, total = wrong + (got != want).sum(), total + want.size
    assert wrong / total < 0.004  # near ties only


@given(
    st.floats(2**-8, 2**8),
    st.floats(2**-8, 2**8),
    st.integers(-128, 127),
    st.integers(-128, 127),
    st.integers(-128, 127),
)
def test_residual_fits_its_fields(main: float, skip: float, zq: int, zr: int, zy: int):
    rule = residual("r", QuantParams(main, zq), QuantParams(skip, zr), QuantParams(1.0, zy))
    top = 1 << (RESIDUAL_BITS - 1)
    assert -top <= rule.main < top
    assert -top <= rule.skip < top
    assert 0 < rule.shift < 32
    for q in (-128, 127):
        for r in (-128, 127):
            assert -(2**31) <= q * rule.main + r * rule.skip + rule.offset < 2**31


def test_residual_of_absurd_scales_is_refused():
    with pytest.raises(ModelError, match=r"^addition of 'r': scales 1e\+06 and 1 are too large for the output's 1;"):
        residual("r", QuantParams(1e6, 0), QuantParams(1.0, 0), QuantParams(1.0, 0))
