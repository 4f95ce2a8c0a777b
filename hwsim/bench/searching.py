"""How much of an exhaustive front a sampler finds, and with how few evaluations."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim.sweeps.front.pareto import hypervolume
from hwsim.sweeps.results import figures_of
from hwsim.sweeps.search.sampling import open_search
from hwsim.sweeps.specification.schema import SearchSettings

if TYPE_CHECKING:
    from hwsim.sweeps.front.summary import Front
    from hwsim.sweeps.results import SweepResult
    from hwsim.sweeps.space.grid import Assignment

__all__ = ["Coverage", "coverage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a sampler found of one front."""

    group: str
    evaluations: int
    """Different points that it asked for."""
    points: int
    """Of the grid."""
    share: float
    """Of the exhaustive front's hypervolume, up to the same reference; 0..1."""

    @property
    def effort(self) -> float:
        """Evaluations over the grid's points."""
        return self.evaluations / self.points


def coverage(grid: SweepResult, settings: SearchSettings) -> tuple[Coverage, ...]:
    """A search for each front of the finished ``grid``, ``settings.trials`` in each.

    Proposals are the sampler's; their figures are those that the grid has of the same points, which are the same to
    the last bit as if they were evaluated now.
    """
    return tuple(_searched(grid, settings, front) for front in grid.fronts)


def _searched(grid: SweepResult, settings: SearchSettings, front: Front) -> Coverage:
    file = grid.specification.file.model_copy(update={"search": settings})
    specification = replace(grid.specification, file=file)
    fixed: Assignment = {"model": front.group} if len(file.models) > 1 else {}
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        search = open_search(specification, f"sqlite:///{Path(folder) / 'search.db'}", front.group, fixed)
        while proposals := search.batch():
            known = [grid.by_id[p.id] for p in proposals if p.allowed]
            rows = figures_of(known, file.objectives).tolist()
            results = {point.id: (row, 0.0) for point, row in zip(known, rows, strict=True)}
            found |= {id_: row for id_, (row, _) in results.items()}
            search.tell(proposals, results)
    volume = hypervolume(np.array(list(found.values())), specification.maximise, np.array(front.reference))
    points = sum(str(p.assignment.get("model", file.models[0])) == front.group for p in grid.points)
    return Coverage(group=front.group, evaluations=len(found), points=points, share=volume / front.hypervolume)
