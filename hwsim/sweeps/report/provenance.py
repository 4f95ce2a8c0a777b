"""Which model and which technology the figures of a sweep are from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.energy.table import load_table
from hwsim.sweeps.space.parameter import Values

if TYPE_CHECKING:
    from hwsim.sweeps.results import SweepResult

__all__ = ["MODELS", "provenance"]

MODELS = {
    "vectorised": "the vectorised model (hwsim.points: every layer's first mapping, its cycles in closed form)",
    "analytic": "the analytic model (every tile of every layer, its cycles in closed form)",
    "cycle": "the cycle model (equal to the RTL)",
}
"""By fidelity."""

_TABLE = "arch.technology.table"


def provenance(result: SweepResult) -> list[str]:
    """Sentences: the model of the points' figures, that of the front's second look, and where areas come from."""
    fidelity = result.specification.file.fidelity
    lines = [f"Figures by {MODELS[fidelity]}."]
    if result.rechecked:
        lines.append(f"{len(result.rechecked):,} points of the fronts again by {MODELS['cycle']}: column by cycle.")
    tables = [load_table(name) for name in _tables(result)]
    with_area = [f"{table.name} ({table.title})" for table in tables if table.logic is not None]
    without = [table.name for table in tables if table.logic is None]
    if with_area:
        lines.append(f"Areas from {', '.join(with_area)}: arithmetic, registers and memories.")
    if without:
        lines.append(f"No areas in {', '.join(without)}.")
    return lines


def _tables(result: SweepResult) -> list[str]:
    """Technologies that points can have: those of every base, unless the space sets them."""
    specification = result.specification
    names = [str(tree["technology"]["table"]) for tree in specification.arches.values()]
    for parameter in specification.space.parameters:
        if parameter.name == _TABLE and isinstance(parameter, Values):
            names = [*(names if parameter.when is not None else []), *map(str, parameter.values)]
    return list(dict.fromkeys(names))
