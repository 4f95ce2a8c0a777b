"""What a factorisation is, and how its rank is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from compiler.compress.registry import Registry
from compiler.errors import ModelError
from compiler.ir import Graph, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.compress.layers import Layer

__all__ = ["FACTORISATIONS", "Factorisation", "check_target", "intermediate", "rank_of"]


class Factorisation(Protocol):
    """A registered factorisation: a frozen dataclass whose fields are its settings."""

    def applies(self, layer: Layer, graph: Graph) -> bool:
        """Whether it is for a layer of this kind."""
        ...

    def rewrite(self, graph: Graph, layer: Layer) -> tuple[int, int]:
        """Replace ``layer`` in place, if that makes fewer weights; returns how many there were and are."""
        ...


FACTORISATIONS: Registry[type[Factorisation]] = Registry("factorisation")


def check_target(name: str, energy: float | None, rank: int | None) -> None:
    """Refuse a target that is none or impossible.

    Raises:
        ModelError: naming the factorisation.

    """
    if (energy is None) == (rank is None):
        raise ModelError(f"factorisation {name!r}: give either energy or rank")
    if energy is not None and not 0 < energy <= 1:
        raise ModelError(f"factorisation {name!r}: energy is above 0 and at most 1, not {energy}")
    if rank is not None and rank < 1:
        raise ModelError(f"factorisation {name!r}: rank is 1 or more, not {rank}")


def rank_of(singular: NDArray[np.floating], energy: float | None, rank: int | None) -> int:
    """``rank``, or the least whose squared singular values make up ``energy`` (0..1) of their sum."""
    if rank is not None:
        return min(rank, len(singular))
    share = np.cumsum(np.square(singular, dtype=np.float64))
    if share[-1] == 0:
        return 1
    return int(np.searchsorted(share / share[-1], (1.0 if energy is None else energy) - 1e-12) + 1)


def intermediate(graph: Graph, name: str, shape: tuple[int, ...]) -> str:
    """A new float activation."""
    name = graph.fresh(name)
    graph.add_tensor(Tensor(name, shape, np.dtype(np.float32)))
    return name
