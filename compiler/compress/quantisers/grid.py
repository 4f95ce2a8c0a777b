"""What the quantisers share: channels as rows, and the settings that several have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import numpy as np

from compiler.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.quantisers.base import Codes

__all__ = ["SMALLEST_SCALE", "Encoded", "Per", "as_rows", "broadcast", "check_bits"]

Per = Literal["channel", "tensor"]

SMALLEST_SCALE = 2.0**-30


class Encoded(ABC):
    """Mixin: ``quantise`` by way of ``encode``."""

    __slots__ = ()

    @abstractmethod
    def encode(self, w: NDArray[np.floating]) -> Codes:
        """The codes of ``w``."""

    def quantise(self, w: NDArray[np.floating]) -> NDArray[np.float32]:
        """The floats that the codes of ``w`` stand for."""
        return self.encode(w).real


def as_rows(w: NDArray[np.floating], axis: int, per: Per) -> NDArray[np.float64]:
    """``[channels, elements]``, or all elements in one row."""
    rows = np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1) if per == "channel" else w.reshape(1, -1)
    return rows.astype(np.float64)


def broadcast(parameter: NDArray, rank: int, axis: int) -> NDArray:
    """A value per row of :func:`as_rows`, shaped to broadcast with the weights."""
    if parameter.size == 1:
        return parameter.reshape(())
    shape = [1] * rank
    shape[axis] = -1
    return parameter.reshape(shape)


def check_bits(name: str, bits: int, low: int, high: int) -> None:
    """Refuse a width that the format does not have.

    Raises:
        ModelError: naming the format.

    """
    if not low <= bits <= high:
        raise ModelError(f"quantiser {name!r}: bits are {low} to {high}, not {bits}")
