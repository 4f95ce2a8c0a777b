"""Which engines can run an operator, and why none can: the mapper chooses among them, the host takes the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from compiler.errors import ModelError
from compiler.ir.integer import Conv, Host, IntegerOp
from compiler.mapping.job import Job
from compiler.mapping.jobs.operators import jobs_of
from compiler.mapping.sparse.job import SparseJob, sparse_jobs
from compiler.mapping.sparse.weights import UnfitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.ir.graph import Graph
    from rtl.config import ArchConfig

__all__ = ["Choices", "Preference", "choices", "host_operators", "host_reason", "runs_sparse"]


Preference = Literal["cheapest", "dense", "sparse"]
"""Which engine a layer that several can run is for: the cheaper one by the objective, or one of them by decree."""


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """The jobs of an operator, by engine; none on an engine that cannot run it."""

    dense: tuple[Job, ...] = ()
    sparse: tuple[SparseJob, ...] = ()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """On whichever engine there is: what is read and written is the same on both."""
        return self.dense or self.sparse

    def preferring(self, engine: Preference) -> Choices:
        """Only ``engine``, if it is among them."""
        if engine == "sparse" and self.sparse:
            return Choices(sparse=self.sparse)
        if engine == "dense" and self.dense:
            return Choices(dense=self.dense)
        return self


def choices(graph: Graph, op: IntegerOp, config: ArchConfig) -> Choices:
    """The engines of ``config`` that can run ``op``; none for what is the host's.

    Where there is an array, it is the sparse engine's rival for weights only: sums, pools and copies are dense work.

    Raises:
        ModelError: a dense engine without a rival cannot run it; the message names the operator.

    """
    if isinstance(op, Host):
        return Choices()
    sparse: tuple[SparseJob, ...] = ()
    if config.sparse_engine is not None and (isinstance(op, Conv) or config.dense_engine is None):
        try:
            sparse = tuple(sparse_jobs(graph, op, config))
        except UnfitError:
            sparse = ()
    if config.dense_engine is None:
        return Choices(sparse=sparse)
    try:
        return Choices(tuple(jobs_of(graph, op, config)), sparse)
    except ModelError:
        if not sparse:
            raise
        return Choices(sparse=sparse)


def runs_sparse(graph: Graph, config: ArchConfig, op: IntegerOp) -> bool:
    """Whether the sparse engine can run ``op``."""
    try:
        return bool(sparse_jobs(graph, op, config))
    except UnfitError:
        return False


def host_operators(graph: Graph, targets: Iterable[str]) -> list[IntegerOp]:
    """The operators of ``graph`` whose results are none of the accelerator's ``targets``, in order."""
    written = set(targets)
    return [op for op in graph.operators() if isinstance(op, IntegerOp) and op.output not in written]


def host_reason(graph: Graph, op: IntegerOp, config: ArchConfig) -> str:
    """Why ``op`` is the host's."""
    if isinstance(op, Host):
        return op.reason
    try:
        sparse_jobs(graph, op, config)
    except UnfitError as error:
        return str(error)
    raise ValueError(f"{op.name} is not the host's: the sparse engine runs it")
