"""What the RTL answered, held against the reference interpreter (bytes) and the cycle model (cycles, events)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.cycles import ProgramCycles, layer_cycles
from hwsim.results import Estimate, LayerRun
from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hwsim.execute import Execution

__all__ = ["differing_bytes", "layer_runs", "measured_cycles", "same_timing"]


def same_timing(run: Execution, model: ProgramCycles) -> bool:
    """Whether a run took the model's cycles and counted its events, all of them."""
    return run.cycles == model.cycles and np.array_equal(run.counters, model.counters)


def measured_cycles(run: Execution, layers: int) -> NDArray[np.int64]:
    """``[layers]``: cycles from the last retirement of the layers before to that of the layer, as the registers say."""
    measured = np.zeros(layers, np.int64)
    for segment in run.runs:
        measured += layer_cycles(segment.last_retire, segment.cycles)
    return measured


def differing_bytes(
    run: Execution, reference: Mapping[str, NDArray], tensor: str, channels: tuple[int, int]
) -> tuple[int, int]:
    """Bytes of a tensor (of its channels from the first to before the last) that differ, and how many there are."""
    part = slice(*channels)
    got, want = run.values[tensor][..., part], reference[tensor][..., part]
    if want.dtype != np.int8:
        # A host operator's result: float32, the same where its int8 operands are.
        return int(np.count_nonzero(np.ascontiguousarray(got) != want)) * want.itemsize, want.nbytes
    return int(np.count_nonzero(got != want)), want.size


def layer_runs(
    estimated: Estimate, run: Execution, model: ProgramCycles, differing: Mapping[int, tuple[int, int]]
) -> list[LayerRun]:
    """Each layer of a run beside the model; ``differing`` holds :func:`differing_bytes` of those that were compared."""
    measured = measured_cycles(run, len(estimated.layers))
    counters, expected = run.counters, model.counters
    runs = []
    for index, layer in enumerate(estimated.layers):
        apart = counters[index] - expected[index]
        mismatched, compared = differing.get(index, (0, 0))
        runs.append(
            LayerRun(
                estimate=layer,
                rtl_cycles=int(measured[index]),
                model_cycles=int(model.layers[index]),
                mismatched_bytes=mismatched,
                compared_bytes=compared,
                counters={c.name: int(counters[index, i]) for i, c in enumerate(COUNTERS)},
                counter_differences={COUNTERS[i].name: int(apart[i]) for i in np.flatnonzero(apart)},
            )
        )
    return runs
