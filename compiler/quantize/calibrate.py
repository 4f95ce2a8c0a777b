"""What range each activation of a float network takes on sample inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.evaluate import evaluate
from compiler.ir import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Range", "nominal", "observe"]

BINS = 2048


@dataclass(frozen=True, slots=True)
class Range:
    """The values of a tensor that are to be told apart: ``low <= 0 <= high``."""

    low: float
    high: float

    def __or__(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


def nominal(graph: Graph) -> dict[str, Range]:
    """-1..1 for every float tensor, without a look at any value."""
    return {tensor.name: Range(-1.0, 1.0) for tensor in graph.tensors() if tensor.dtype.kind == "f"}


def observe(graph: Graph, samples: Iterable[Mapping[str, NDArray]], *, percentile: float = 100.0) -> dict[str, Range]:
    """The range of every float tensor over ``samples``, each an input of batch 1.

    ``percentile`` below 100 leaves out that share of the most extreme values, half at each end, told by a histogram of
    2048 bins; the samples are then evaluated twice.

    Raises:
        ModelError: if a tensor takes a value that is not finite.

    """
    samples = list(samples)
    ranges: dict[str, Range] = {}
    for sample in samples:
        for name, value in evaluate(graph, sample).items():
            if value.dtype.kind != "f":
                continue
            found = Range(min(float(value.min()), 0.0), max(float(value.max()), 0.0))
            if not np.isfinite([found.low, found.high]).all():
                raise ModelError(f"tensor {name!r} is not finite on the calibration data")
            ranges[name] = ranges[name] | found if name in ranges else found
    return ranges if percentile >= 100 else _trim(graph, samples, ranges, percentile)


def _trim(
    graph: Graph, samples: list[Mapping[str, NDArray]], ranges: dict[str, Range], percentile: float
) -> dict[str, Range]:
    counts = {name: np.zeros(BINS, np.int64) for name in ranges}
    for sample in samples:
        for name, value in evaluate(graph, sample).items():
            if name in ranges and ranges[name].low < ranges[name].high:
                counts[name] += np.histogram(value, BINS, (ranges[name].low, ranges[name].high))[0]
    return {name: _percentile(ranges[name], counts[name], percentile) for name in ranges}


def _percentile(full: Range, counts: NDArray[np.int64], percentile: float) -> Range:
    total = counts.sum()
    if total == 0:
        return full
    edges = np.linspace(full.low, full.high, BINS + 1)
    share = np.cumsum(counts) / total
    cut = (1 - percentile / 100) / 2
    low = edges[int(np.searchsorted(share, cut, side="right"))]
    high = edges[int(np.searchsorted(share, 1 - cut, side="left")) + 1]
    return Range(min(float(low), 0.0), max(float(high), 0.0))
