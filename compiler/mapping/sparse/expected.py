"""Cycles that a plan of the sparse engine is expected to take, from densities alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.sparse.nest import nests
from compiler.mapping.sparse.plan import plan_situation, sparse_cost
from compiler.sparse.expectation import LayerDensity, expect

if TYPE_CHECKING:
    from compiler.mapping.sparse.plan import SparsePlan
    from rtl.config import ArchConfig

__all__ = ["expected_cycles"]


def expected_cycles(plan: SparsePlan, config: ArchConfig, density: float, *, balanced: bool) -> int:
    """Cycles of ``plan`` for an input of that ``density``, its rows ``balanced`` over PEs or as they come.

    The PEs finish a SPARSE before they begin the next: a layer takes what one step does, as often as there are steps.
    """
    job, cut = plan.job, plan.cut
    vectors = cut.step.height * cut.step.width
    times = job.out_shape[0] * job.out_shape[1] / vectors
    spent = 0.0
    for block in cut.blocks:
        weights = job.codes.matrix[block.first : block.first + block.channels]
        for part in block.columns:
            layer = LayerDensity(
                rows=block.channels,
                columns=part.columns,
                vectors=vectors,
                weights=np.count_nonzero(weights[:, part.start : part.stop]) / (block.channels * part.columns),
                activations=density,
                together=min(nests(job, part.start, part.stop)[0].run, part.columns),
                balanced=balanced,
            )
            spent += times * expect(layer, config).cycles
    return round(sparse_cost(job, config, plan_situation(plan), cut, density, spent).cycles)
