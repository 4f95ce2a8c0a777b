"""Which jobs an operator is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.errors import ModelError
from compiler.ir.integer import Add, Concat, Conv, IntegerOp, MatMul, Permute, Pool
from compiler.mapping.jobs.convolution import convolution
from compiler.mapping.jobs.passing import addition, concatenation, permutation, pool
from compiler.mapping.jobs.product import product

if TYPE_CHECKING:
    from compiler.ir.graph import Graph
    from compiler.mapping.job import Job
    from rtl.config import ArchConfig

__all__ = ["jobs_of"]


def jobs_of(graph: Graph, op: IntegerOp, config: ArchConfig) -> list[Job]:
    """The jobs of ``op``, in order.

    Raises:
        ModelError: the operator needs what this architecture cannot do; the message says what.

    """
    match op:
        case Conv():
            return [convolution(graph, op, config)]
        case Pool():
            return [pool(graph, op, config)]
        case Add():
            return [addition(graph, op, config)]
        case Concat():
            return concatenation(graph, op, config)
        case Permute():
            return [permutation(graph, op, config)]
        case MatMul():
            return [product(graph, op, config)]
        case _:
            raise ModelError(f"{op.name}: the accelerator has no {type(op).__name__}")
