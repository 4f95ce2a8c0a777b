"""The range that loses the least information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.calibrations.base import CALIBRATIONS
from compiler.compress.calibrations.maximum import Maximum
from compiler.quantize.calibrate import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KullbackLeibler", "divergence"]


@CALIBRATIONS.register("kl", paper="Migacz: 8-bit Inference with TensorRT, GTC 2017")
@dataclass(frozen=True, slots=True)
class KullbackLeibler:
    """Of the thresholds on ``|x|``, the one whose quantised histogram diverges least from the clipped one.

    The histogram has ``bins`` bins; the levels on one side of zero are ``2^(bits - 1)``.
    """

    bins: int = 2048

    def limits(self, values: NDArray[np.floating], bits: int) -> Range:
        """By trying every threshold that has at least as many bins as there are levels."""
        full = Maximum().limits(values, bits)
        peak = max(-full.low, full.high)
        levels = 2 ** (bits - 1)
        bins = max(self.bins, levels)
        counts, _ = np.histogram(np.abs(values), bins, (0, peak if peak > 0 else 1))
        # a network has many exact zeros, which every threshold keeps: they say nothing of the range
        counts[0] = counts[1] if values.size and bins > 1 else counts[0]
        if peak == 0 or not counts.any():
            return full
        best = min(range(levels, bins + 1), key=lambda used: divergence(counts, used, levels))
        threshold = peak * best / bins
        return Range(max(full.low, -threshold), min(full.high, threshold))


def divergence(counts: NDArray[np.integer], used: int, levels: int) -> float:
    """``KL(P || Q)`` in nats: P is the first ``used`` bins, the last with all that lies beyond, Q is ``levels`` steps.

    It is infinite where Q has nothing and P has something.
    """
    kept = counts[:used].astype(np.float64)
    p = kept.copy()
    p[-1] += counts[used:].sum()
    step = np.arange(used) * levels // used
    total = np.bincount(step, kept, minlength=levels)
    present = np.bincount(step, kept > 0, minlength=levels)
    q = np.where(kept > 0, total[step] / np.maximum(present[step], 1), 0)
    if p.sum() == 0 or q.sum() == 0:
        return float("inf")
    p, q = p / p.sum(), q / q.sum()
    if (q[p > 0] == 0).any():
        return float("inf")
    inside = p > 0
    return float((p[inside] * np.log(p[inside] / q[inside])).sum())
