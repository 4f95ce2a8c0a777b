"""What LOAD can write, by configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtl.isa import Space
from rtl.sparse.layout import SparseLayout

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["IN_BEATS", "loadable"]

IN_BEATS = frozenset({Space.SPMAT, Space.POINTER, Space.CODEBOOK})
"""Loaded in whole beats: addresses, strides and lengths are multiples of the bus's ``data_bytes``."""


def loadable(config: ArchConfig) -> dict[Space, int]:
    """Size in bytes of every space that LOAD can write on ``config``."""
    memory = config.memory
    spaces = {Space.IFM: memory.ifm_kib * 1024, Space.PARAM: memory.param_kib * 1024}
    if config.dense_engine is not None:
        spaces[Space.WEIGHT] = memory.weight_kib * 1024
    if config.sparse_engine is not None:
        layout = SparseLayout(config)
        spaces |= {Space.SPMAT: layout.spmat_bytes, Space.POINTER: layout.pointer_bytes}
        if config.sparse_engine.weights == "codebook":
            spaces[Space.CODEBOOK] = layout.codebook_bytes
    return spaces
