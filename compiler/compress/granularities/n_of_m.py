"""N weights out of every M."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from compiler.compress.granularities.base import GRANULARITIES
from compiler.compress.granularities.patterns import Element
from compiler.compress.scores.base import Scores, Unit
from compiler.compress.units import Units
from compiler.errors import ModelError

if TYPE_CHECKING:
    from compiler.compress.layers import Layer
    from compiler.ir import Graph

__all__ = ["NOfM"]


@GRANULARITIES.register(
    "n:m",
    paper="Mishra, Latorre, Pool, Stosic, Stosic, Venkatesh, Yu, Micikevicius: Accelerating Sparse Deep Neural "
    "Networks, arXiv:2104.08378, 2021",
)
@dataclass(frozen=True, slots=True)
class NOfM:
    """At most ``n`` of every ``m`` weights in a row along the input channels (at one position of a kernel).

    A last run shorter than ``m`` keeps as many, if it has them.
    """

    needs: ClassVar[Unit] = "weight"
    shrinks: ClassVar[bool] = False
    n: int = 2
    m: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.n <= self.m:
            raise ModelError(f"granularity 'n:m': n is 1 to m, not {self.n} of {self.m}")

    def fixed_sparsity(self) -> float | None:
        """What the pattern leaves out."""
        return 1 - self.n / self.m

    def units(self, graph: Graph, layers: list[Layer], scores: Scores) -> Units:
        """Single weights; each run of ``m`` is a pool, named after its layer."""
        units = Element().units(graph, layers, scores)
        pools, names, first = [], [], 0
        for layer in (la for la in layers if la.weights in scores):
            f, c, h, w = layer.value(graph).shape
            runs = -(-c // self.m)
            filters, channels, rows, columns = np.ogrid[:f, :c, :h, :w]
            pool = ((filters * h + rows) * w + columns) * runs + channels // self.m
            pools.append(first + pool.reshape(-1))
            names += [layer.name] * (f * h * w * runs)
            first = len(names)
        return replace(units, pool=np.concatenate(pools) if pools else units.pool, names=tuple(names), run=self.m)
