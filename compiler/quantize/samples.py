"""The calibration set, in the forms that a caller may give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Union

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOMINAL_NOTE", "RANDOM_NOTE", "Calibration", "calibration_samples"]

Calibration = Union["NDArray", Mapping[str, "NDArray"], str]

RANDOM_SAMPLES, RANDOM_SEED = 8, 0
RANDOM_NOTE = (
    f"calibrated on {RANDOM_SAMPLES} random normal inputs (seed {RANDOM_SEED}): cycles and bytes are exact, "
    "accuracy means nothing"
)


NOMINAL_NOTE = (
    "not calibrated, every activation is taken to lie within -1..1: cycles and bytes moved are exact, "
    "values mean nothing"
)


def calibration_samples(graph: Graph, calibration: Calibration) -> list[dict[str, NDArray]]:
    """One mapping of inputs for each sample.

    ``calibration`` is an array ``[n, ...]`` for a model of one input, a mapping of input names to such arrays, or
    ``"random"``: standard normal inputs, seeded.

    Raises:
        ModelError: if it does not fit the model's inputs, is empty, or has values that are not numbers.

    """
    ports = graph.input_ports
    if isinstance(calibration, str):
        if calibration != "random":
            raise ModelError(f"calibration must be an array, 'random' or 'nominal', not {calibration!r}")
        rng = np.random.default_rng(RANDOM_SEED)
        return [{p.name: rng.standard_normal(p.shape).astype(p.dtype) for p in ports} for _ in range(RANDOM_SAMPLES)]
    if not isinstance(calibration, Mapping):
        if len(ports) != 1:
            raise ModelError(f"the model has {len(ports)} inputs; give calibration as a mapping of their names")
        calibration = {ports[0].name: calibration}
    arrays: dict[str, NDArray] = {}
    for port in ports:
        if port.name not in calibration:
            raise ModelError(f"calibration data for input {port.name!r} is missing")
        array = np.asarray(calibration[port.name])
        size = int(np.prod(port.shape, dtype=np.int64))
        if array.dtype.kind not in "fiub" or array.ndim < 1 or len(array) == 0 or array[0].size != size:
            raise ModelError(
                f"calibration data for input {port.name!r} is {array.dtype} {list(array.shape)}, "
                f"not numbers [n, {', '.join(map(str, port.shape[1:]))}]"
            )
        if not np.isfinite(array).all():
            raise ModelError(f"calibration data for input {port.name!r} has NaN or infinite values")
        arrays[port.name] = array.reshape(len(array), *port.shape).astype(port.dtype)
    count = min(len(a) for a in arrays.values())
    return [{name: array[i] for name, array in arrays.items()} for i in range(count)]
