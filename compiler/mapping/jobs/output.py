"""What the output stage is given: constants of an operator, and bias, mantissa and shift of each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.numerics import mantissa_shift
from rtl.isa import PARAM_BYTES, PostConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir.integer import Residual

__all__ = ["channel_params", "check_scale", "constants", "plane_params", "uniform_params"]

MIN_SHIFT = 8
"""Smallest shift of the requantiser: scales of 2**16 and more are refused."""


def constants(zero_point: int, low: int, high: int, residual: Residual | None) -> PostConfig:
    """Constants of the output stage."""
    if residual is None:
        return PostConfig(zero_point=zero_point, low=low, high=high)
    return PostConfig(
        zero_point=zero_point,
        low=low,
        high=high,
        main=residual.main,
        skip=residual.skip,
        offset=residual.offset,
        shift=residual.shift,
        residual_low=residual.low,
        residual_high=residual.high,
    )


def plane_params(bias: NDArray[np.int64], scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bias, mantissa and shift of each channel, byte planes: ``[8, channels]`` flat."""
    mantissa, shift = mantissa_shift(np.broadcast_to(scale, bias.shape))
    planes = np.zeros((PARAM_BYTES, len(bias)), np.uint8)
    planes[:4] = bias.astype("<i4").view(np.uint8).reshape(-1, 4).T
    planes[4:7] = mantissa.astype("<u4").view(np.uint8).reshape(-1, 4).T[:3]
    planes[7] = shift
    return planes.ravel()


def channel_params(bias: NDArray[np.int64], scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    """As the sparse engine reads them, channel after channel: ``[channels * 8]``."""
    return np.ascontiguousarray(plane_params(bias, scale).reshape(PARAM_BYTES, -1).T).ravel()


def uniform_params(channels: int, bias: int, scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Byte planes of ``channels`` channels that share a bias and a scale."""
    return plane_params(np.full(channels, bias, np.int64), scale)


def check_scale(name: str, scale: NDArray[np.float32]) -> None:
    """Refuse scales that the requantiser cannot take."""
    if (mantissa_shift(scale)[1] < MIN_SHIFT).any():
        raise ModelError(f"{name}: requantisation scale {scale.max():g} is 2**16 or more; calibrate the model again")
