"""A row per point as CSV or Parquet: every setting, every figure, where it was computed and by what."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv, parquet

from hwsim.errors import InputError
from hwsim.files import check_output, reason
from hwsim.sweeps.metrics import METRICS
from hwsim.sweeps.results import feasible_points

if TYPE_CHECKING:
    from hwsim.sweeps.results import SweepResult

__all__ = ["points_table", "write_csv", "write_parquet"]


def points_table(result: SweepResult) -> pa.Table:
    """``id``, ``state``, ``reason``, ``front``, ``feasible``; ``set.<parameter>``; figures; timings; versions.

    What all points have in common (the base, the objectives, versions by id) is in the table's metadata.
    """
    points, specification = result.points, result.specification
    on_front = {id_ for front in result.fronts for id_ in front.ids}
    columns: dict[str, Any] = {
        "id": [p.id for p in points],
        "fidelity": [p.fidelity for p in points],
        "state": [p.state for p in points],
        "reason": [p.reason for p in points],
        "feasible": feasible_points(specification, points).tolist(),
        "front": [p.id in on_front for p in points],
        "model": [str(p.assignment.get("model", specification.file.models[0])) for p in points],
    }
    for name in (p.name for p in specification.space.parameters if p.name != "model"):
        columns[f"set.{name}"] = _column([p.assignment.get(name) for p in points])
    for name in METRICS:
        if any(name in p.metrics for p in points):
            columns[name] = pa.array([p.metrics.get(name) for p in points], pa.float64())
    for name in ("cycles", "latency_us", "energy_uj"):
        closer = [result.rechecked[p.id].metrics.get(name) if p.id in result.rechecked else None for p in points]
        if any(value is not None for value in closer):
            columns[f"by_cycle.{name}"] = pa.array(closer, pa.float64())
    columns["seconds"] = pa.array([p.timings.get("total") for p in points], pa.float64())
    columns["worker"] = [p.worker for p in points]
    columns["environment"] = [p.environment for p in points]
    common = {
        "hwsim.specification": specification.to_json(),
        "hwsim.environments": json.dumps(result.environments),
    }
    return pa.table(columns).replace_schema_metadata(common)


def write_csv(path: Path, result: SweepResult) -> None:
    """Write the table to ``path`` as CSV, whole or not at all.

    Raises:
        InputError: it cannot be written.

    """
    stream = io.BytesIO()
    csv.write_csv(points_table(result), stream)
    _write(path, stream.getvalue())


def write_parquet(path: Path, result: SweepResult) -> None:
    """Write the table to ``path`` as Parquet, whole or not at all.

    Raises:
        InputError: it cannot be written.

    """
    stream = io.BytesIO()
    parquet.write_table(points_table(result), stream, compression="zstd")
    _write(path, stream.getvalue())


def _column(values: list[Any]) -> pa.Array:
    """Numbers as numbers; text where kinds are mixed."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and float in kinds:
        return pa.array(values, pa.float64())
    return pa.array(values) if len(kinds) <= 1 else pa.array([None if v is None else str(v) for v in values])


def _write(path: Path, content: bytes) -> None:
    check_output(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(content)
        partial = Path(file.name)
        partial.chmod(0o644)
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
