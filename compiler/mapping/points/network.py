"""Points that share an array, a bus and a weight scratchpad: their jobs are the same, and are laid out here once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.errors import ModelError
from compiler.ir.integer import Host, IntegerOp
from compiler.mapping.jobs.operators import jobs_of
from compiler.mapping.memory import Block
from compiler.mapping.plan import Plan
from compiler.mapping.planner import params_stay
from compiler.mapping.points.shape import JobShape, job_shape, signature
from compiler.mapping.residency import Residency
from compiler.mapping.tiling import Tile

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from compiler.ir.graph import Graph
    from compiler.mapping.job import Job
    from rtl.config import ArchConfig

__all__ = ["Layout", "jobs_by_operator", "layout_of", "shapes_of", "signatures"]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One OFM and one parameter scratchpad: a plan for each job, which is cut as yet into single pixels."""

    plans: tuple[Plan, ...]


def jobs_by_operator(graph: Graph, config: ArchConfig) -> dict[str, list[Job]]:
    """The jobs of the accelerator's operators. Of ``config`` the array and the weight scratchpad count.

    Raises:
        ModelError: an operator that no array of this size can take, or whose weights do not fit.

    """
    operators = [op for op in graph.operators() if isinstance(op, IntegerOp) and not isinstance(op, Host)]
    jobs = {op.name: jobs_of(graph, op, config) for op in operators}
    for job in (job for of_one in jobs.values() for job in of_one):
        largest = max(window.size for tile in job.tiles for window in tile.windows)
        if largest > config.memory.weight_kib * 1024:
            raise ModelError(
                f"{job.name}: a tile of {largest} bytes of weights exceeds the weight scratchpad "
                "(raise memory.weight_kib)"
            )
    return jobs


def shapes_of(jobs: Mapping[str, Sequence[Job]], config: ArchConfig) -> list[JobShape]:
    """The numbers of every job, in order."""
    return [job_shape(job, config) for of_one in jobs.values() for job in of_one]


def signatures(jobs: Mapping[str, Sequence[Job]]) -> list[Hashable]:
    """Of every job, in order."""
    return [signature(job) for of_one in jobs.values() for job in of_one]


def layout_of(graph: Graph, jobs: Mapping[str, Sequence[Job]], config: ArchConfig) -> Layout:
    """Who stays in the OFM of ``config`` while the jobs run, in order."""
    operators = [op for op in graph.operators() if isinstance(op, IntegerOp)]
    residency = Residency(graph, operators, jobs, config, ())
    plans: list[Plan] = []
    for op in operators:
        if op.name in jobs:
            output = residency.output(op)
            for number, job in enumerate(jobs[op.name]):
                start, stop = residency.free()
                chunk, held = params_stay(job, config)
                plans.append(
                    Plan(
                        job=job,
                        segment=residency.segment[op.name],
                        channels=graph.tensor(job.target).shape[2],
                        weight_columns=0 if job.weights_from is None else graph.tensor(job.weights_from).shape[2],
                        tile=Tile(1, 1),
                        group=1,
                        source=residency.of(job.source),
                        skip=residency.of(job.skip),
                        target=output.target,
                        stores=output.stores,
                        fills_margin=number == 0 and output.target is not None,
                        staging=Block(start, stop - start),
                        hold_weights=False,
                        hold_input=False,
                        kept_input=False,
                        kept_skip=False,
                        param_chunk=chunk,
                        hold_params=held,
                    )
                )
            residency.written(op, output)
        residency.release(op)
    return Layout(tuple(plans))
