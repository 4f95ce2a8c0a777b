"""Results as CSV: a row a layer, a column a figure, full names."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwsim.results import Estimate, Simulation

__all__ = ["estimate_csv", "simulation_csv"]

# A spreadsheet runs a cell that begins with one of these; layers' names come out of files.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def estimate_csv(estimate: Estimate) -> str:
    """The layers of :meth:`Estimate.to_json`, nested keys joined by dots; the header names every column."""
    return _csv([layer.to_json() for layer in estimate.layers])


def simulation_csv(run: Simulation) -> str:
    """The layers of :meth:`Simulation.to_json`, as :func:`estimate_csv`."""
    return _csv([layer.to_json() for layer in run.layers])


def _csv(layers: list[dict[str, Any]]) -> str:
    rows = [_flat(layer) for layer in layers]
    # In the order in which they first occur: not every layer has every key.
    columns = list(dict.fromkeys(key for row in rows for key in row)) or ["name"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = _inert(value) if isinstance(value, str) else value
    return flat


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
