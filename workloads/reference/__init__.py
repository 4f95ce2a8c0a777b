"""Published tables that this project's figures stand beside, each row with its source.

``eie.BENCHMARKS.rows()`` gives typed rows; :data:`TABLES` lists every table there is.
"""

from __future__ import annotations

from typing import Any

from workloads.reference import accelerators, compression, eie
from workloads.reference.table import Fact, Sourced, Table, TableError

__all__ = ["TABLES", "Fact", "Sourced", "Table", "TableError", "accelerators", "compression", "eie"]

TABLES: tuple[Table[Any], ...] = tuple(
    value for module in (accelerators, compression, eie) for value in vars(module).values() if isinstance(value, Table)
)
"""All of them, by module."""
