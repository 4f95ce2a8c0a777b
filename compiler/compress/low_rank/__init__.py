"""Low-rank factorisations: one layer becomes two or three thinner ones. Registered in ``FACTORISATIONS``."""

from __future__ import annotations

from compiler.compress.low_rank.base import FACTORISATIONS, Factorisation, rank_of
from compiler.compress.low_rank.svd import SingularValues
from compiler.compress.low_rank.tucker import Tucker2

__all__ = ["FACTORISATIONS", "Factorisation", "SingularValues", "Tucker2", "rank_of"]
