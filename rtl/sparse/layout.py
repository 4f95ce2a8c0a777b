"""How the memories of the sparse engine look from DRAM: byte addresses of LOAD, once for gateware and compiler.

PEs lie side by side, so that a beat fills the same place of several of them, and loads of all PEs are one run. Groups
are padded to whole beats, so that no beat holds two places of one bank. ::

    SPMAT      row 0 of PE 0 | row 0 of PE 1 | ...   | row 1 of PE 0 | ...      row_bytes each
    POINTER    column 0: PE 0 | PE 1 | ...           | column 1: PE 0 | ...     uint16, little-endian
    CODEBOOK   table 0: code 0, padded to a beat     | code 1 | ...             int16, little-endian

Within a row entry s takes bits ``s * entry_bits`` up: the code first, the zero run above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["ACTIVATION_BITS", "CODEBOOK_VALUE_BYTES", "POINTER_BYTES", "SparseLayout"]

POINTER_BYTES = 2
CODEBOOK_VALUE_BYTES = 2
ACTIVATION_BITS = 9
"""Width of an activation less its zero point."""


class SparseLayout:
    """Strides and sizes, in bytes, of the spaces SPMAT, POINTER and CODEBOOK of ``config``.

    Raises:
        ConfigError: ``config`` has no sparse engine.

    """

    def __init__(self, config: ArchConfig) -> None:
        sparse, beat = config.sparse, config.bus.data_bytes
        self.row_stride = max(sparse.pes * sparse.row_bytes, beat)
        """From one row of a PE to its next."""
        self.rows = sparse.spmat_kib * 1024 // sparse.row_bytes
        """Rows of a PE."""
        self.pointer_stride = max(sparse.pes * POINTER_BYTES, beat)
        """From one column's pointers to the next one's."""
        self.columns = sparse.pointers
        """Pointers of a PE."""
        self.codebook_stride = max(CODEBOOK_VALUE_BYTES, beat)
        """From one code's value to the next one's."""
        self.codes = sparse.tables << sparse.code_bits
        """Values of all tables."""

    @property
    def spmat_bytes(self) -> int:
        """Size of SPMAT."""
        return self.rows * self.row_stride

    @property
    def pointer_bytes(self) -> int:
        """Size of POINTER."""
        return self.columns * self.pointer_stride

    @property
    def codebook_bytes(self) -> int:
        """Size of CODEBOOK."""
        return self.codes * self.codebook_stride
