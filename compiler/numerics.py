"""The accelerator's arithmetic, in integers, exactly.

Requantisation is ONNX Runtime's (MLAS): ``y = saturate(round_half_even(float32(float32(acc) * scale)) + zero_point)``.
A float32 scale is ``P * 2**-n`` with a 24-bit ``P``, so the same bytes come out of integers alone: round the
accumulator to 24 significant bits, multiply by ``P``, round the product to 24 significant bits, shift right by ``n``;
each rounding half to even. The hardware does this; no float is left in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir.integer import Residual

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from compiler.ir.integer import Requantize
    from compiler.ir.tensor import QuantParams

__all__ = ["MANTISSA_BITS", "MAX_SHIFT", "apply_residual", "mantissa_shift", "requantize", "requantize_as", "residual"]

MANTISSA_BITS = 24
MAX_SHIFT = 63
RESIDUAL_BITS = 20
"""``main`` and ``skip`` of a residual are signed integers of this width."""


def mantissa_shift(scale: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``(P, n)`` with ``scale == P * 2**-n``, ``2**23 <= P < 2**24`` and ``0 <= n <= 63``.

    A scale below ``2**-40`` becomes ``2**-40``: with a 32-bit accumulator both round every value to zero.

    Raises:
        ModelError: if a scale is negative, not finite, or ``2**24`` and more.

    """
    scale = np.asarray(scale, np.float32)
    if not np.isfinite(scale).all() or (scale < 0).any():
        raise ModelError(f"requantisation scale {_first_bad(scale)} is not a finite positive number")
    if (scale >= 2.0**MANTISSA_BITS).any():
        raise ModelError(f"requantisation scale {scale.max():g} is not below 2**24: calibrate the model again")
    fraction, exponent = np.frexp(np.maximum(scale, np.float32(2.0**-40)).astype(np.float64))
    mantissa = np.ldexp(fraction, MANTISSA_BITS).astype(np.int64)
    return mantissa, (MANTISSA_BITS - exponent).astype(np.int64)


def _first_bad(scale: NDArray[np.float32]) -> float:
    return float(scale[~np.isfinite(scale) | (scale < 0)].flat[0])


def _bit_length(value: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits of non-negative integers below ``2**56``: in two steps, since float64 rounds beyond ``2**53``."""
    low, high = np.frexp(value.astype(np.float64))[1], np.frexp((value >> 24).astype(np.float64))[1] + 24
    return np.where(value < 1 << 32, low, high).astype(np.int64)


def _shift_half_even(value: NDArray[np.int64], shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """``value / 2**shift`` rounded half to even, of non-negative integers below ``2**56``."""
    shift = np.minimum(shift, 60)
    floor = value >> shift
    rest = value - (floor << shift)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), np.int64(1) << 60)
    return floor + ((rest > half) | ((rest == half) & (floor & 1 == 1)))


def _round_significant(value: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest integer with at most 24 significant bits, ties to even: what float32 holds of ``value``."""
    excess = np.maximum(_bit_length(value) - MANTISSA_BITS, 0)
    return _shift_half_even(value, excess) << excess


def requantize(
    acc: ArrayLike, mantissa: ArrayLike, shift: ArrayLike, zero_point: int, low: int = -128, high: int = 127
) -> NDArray[np.int8]:
    """``clip(round(round24(round24(acc) * P) * 2**-n) + zero_point, low, high)``, by integers alone.

    ``acc`` is int32 ``[..., channels]``; ``mantissa`` and ``shift``, from :func:`mantissa_shift`, broadcast against it.
    """
    acc = np.asarray(acc, np.int64)
    product = _round_significant(_round_significant(np.abs(acc)) * np.asarray(mantissa, np.int64))
    rounded = _shift_half_even(product, np.asarray(shift, np.int64))
    return np.clip(np.sign(acc) * rounded + zero_point, low, high).astype(np.int8)


def requantize_as(acc: ArrayLike, rule: Requantize) -> NDArray[np.int8]:
    """:func:`requantize` by an operator's own :class:`~compiler.ir.integer.Requantize`."""
    return requantize(acc, *mantissa_shift(rule.scale), rule.zero_point, rule.low, rule.high)


def residual(
    tensor: str, main: QuantParams, skip: QuantParams, out: QuantParams, low: int = -128, high: int = 127
) -> Residual:
    """The addition of ``tensor`` (of ``skip``) to a result (of ``main``), giving ``out``, as finely as it fits.

    The shift is the largest for which both factors fit 20 signed bits, and the offset and the sum 32 signed bits for
    all int8 operands.

    Raises:
        ModelError: if the operands' scales exceed the output's so far that no shift fits.

    """
    for shift in range(31, 0, -1):
        factors = [round(q.scale / out.scale * 2**shift) for q in (main, skip)]
        offset = (out.zero_point << shift) - main.zero_point * factors[0] - skip.zero_point * factors[1]
        offset += 1 << (shift - 1)
        reach = [offset + side * (factors[0] + factors[1]) for side in (-128, 127)]
        fits = all(-(1 << 31) <= value < 1 << 31 for value in (offset, *reach))
        if fits and max(factors) < 1 << (RESIDUAL_BITS - 1):
            return Residual(tensor, factors[0], factors[1], offset, shift, low, high)
    raise ModelError(
        f"addition of {tensor!r}: scales {main.scale:g} and {skip.scale:g} are too large for the output's "
        f"{out.scale:g}; calibrate the model again"
    )


def apply_residual(q: NDArray[np.int8], r: NDArray[np.int8], rule: Residual) -> NDArray[np.int8]:
    """``clip((q * main + r * skip + offset) >> shift, low, high)``, with an arithmetic shift."""
    total = q.astype(np.int64) * rule.main + r.astype(np.int64) * rule.skip + rule.offset
    return np.clip(total >> rule.shift, rule.low, rule.high).astype(np.int8)
