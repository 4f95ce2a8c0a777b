"""A layer's weights as the sparse engine holds them: a matrix of codes, 0 for the weight zero, and what they stand for.

Nothing is rounded here: integer weights with few distinct values *are* weight-shared, and become codes exactly. Sharing
them in the first place is compression (:mod:`compiler.sparse.codebook`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.ir.integer import WIDEST
from compiler.passes.low_planes import has_two_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir.integer import Conv
    from rtl.config import SparseConfig

__all__ = ["Codes", "UnfitError", "codes_of"]

_MOST_ELEMENTS = 1 << 28


class UnfitError(ValueError):
    """The layer cannot run on the sparse engine. The message says why, for the layer's name to be put before it."""


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """The matrix that multiplies im2col columns."""

    matrix: NDArray[np.uint8]
    """``[filters, kernel_h * kernel_w * channels]``, columns in the order of SPARSE: channels fastest."""
    values: NDArray[np.int16] | None
    """``[codes]``: the weight of each code, 0 the first; None where a code is the int8 weight itself."""


def codes_of(op: Conv, channels: int, sparse: SparseConfig) -> Codes:
    """The weights of ``op``, whose input has so many ``channels``. Groups are blocks on the diagonal, other weights 0.

    Raises:
        UnfitError: weights that the engine's codes do not hold.

    """
    kernel_h, kernel_w, depth, filters = op.weights.shape
    columns = kernel_h * kernel_w * channels
    if columns * filters > _MOST_ELEMENTS:
        raise UnfitError(f"its matrix of {filters} x {columns} exceeds {_MOST_ELEMENTS} elements")
    if op.format is not None and has_two_planes(op):
        raise UnfitError("its weights have two planes of 8 bits, which no engine runs yet")
    flat = op.weights.reshape(-1)
    where = np.flatnonzero(flat)
    found = flat[where]
    codes, values = _direct(found) if sparse.weights == "int8" else _shared(found, sparse)
    matrix = np.zeros(op.weights.size, np.uint8)
    matrix[where] = codes
    if op.groups == 1:
        return Codes(matrix.reshape(columns, filters).T, values)
    parts = matrix.reshape(kernel_h * kernel_w, depth, op.groups, filters // op.groups)
    whole = np.zeros((kernel_h * kernel_w, op.groups, depth, op.groups, filters // op.groups), np.uint8)
    for group in range(op.groups):
        whole[:, group, :, group] = parts[:, :, group]
    return Codes(whole.reshape(columns, filters).T, values)


def _direct(weights: NDArray[np.int16]) -> tuple[NDArray[np.uint8], None]:
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    if low < -128 or high > 127:
        raise UnfitError(f"weights of {low}..{high} (a zero point taken off) are beyond int8")
    return weights.astype(np.int8).view(np.uint8), None


def _shared(weights: NDArray[np.int16], sparse: SparseConfig) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    if max(int(weights.max(initial=0)), -int(weights.min(initial=0))) > WIDEST:
        raise UnfitError("its weights have two planes of 8 bits, which no engine runs yet")
    present = np.zeros(2 * WIDEST + 1, np.bool_)
    present[weights] = True  # negative ones from the end
    values = np.array([w for w in range(-WIDEST, WIDEST + 1) if present[w]], np.int16)
    most = (1 << sparse.code_bits) - 1
    if len(values) > most:
        raise UnfitError(
            f"{len(values)} different weights beside zero, and {most} fit sparse.code_bits={sparse.code_bits} "
            "(share the weights, or raise code_bits)"
        )
    code = np.zeros(2 * WIDEST + 1, np.uint8)
    code[values] = np.arange(1, len(values) + 1)
    return code[weights], np.concatenate([np.zeros(1, np.int16), values])
