"""Weights of two planes, as far as there is hardware for them: the low one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compiler.ir.integer import WIDEST, Conv
from compiler.repeats import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir.graph import Graph

__all__ = ["has_two_planes", "low_planes", "planes"]


_BYTE = 127


def planes(values: NDArray[np.signedinteger]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """``(W_L, W_H)`` with ``values = W_L + 256 W_H``; ``W_H`` is zero from -128 to 127."""
    low = ((values.astype(np.int32) + 128) % 256 - 128).astype(np.int8)
    return low, ((values.astype(np.int32) - low) // 256).astype(np.int8)


def has_two_planes(op: Conv) -> bool:
    """Whether weights go beyond a byte because they have an upper plane, not because of a zero point."""
    different = distinct(op.weights)
    dual = op.format is not None and op.format.arithmetic == "dual"
    return max(int(different.max(initial=0)), -int(different.min(initial=0))) > (_BYTE if dual else WIDEST)


def low_planes(graph: Graph) -> Graph:
    """``graph`` with only the low plane of such weights; itself if there are none.

    It computes something else: what maps it learns what the low plane costs, and nothing more.
    """
    wide = [op for op in graph.select(Conv) if has_two_planes(op)]
    if not wide:
        return graph
    low = graph.copy()
    for op in wide:
        low.replace(op.name, replace(op, weights=planes(op.weights)[0].astype(np.int16)))
    return low
