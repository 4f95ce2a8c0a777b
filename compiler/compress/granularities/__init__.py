"""Granularities; importing this package registers them all in ``GRANULARITIES``."""

from __future__ import annotations

from compiler.compress.granularities.base import GRANULARITIES, Granularity
from compiler.compress.granularities.block import Block
from compiler.compress.granularities.channels import Channel, Filter
from compiler.compress.granularities.layer import WholeLayer
from compiler.compress.granularities.n_of_m import NOfM
from compiler.compress.granularities.patterns import Column, Element, Kernel, Row, Shape

__all__ = [
    "GRANULARITIES",
    "Block",
    "Channel",
    "Column",
    "Element",
    "Filter",
    "Granularity",
    "Kernel",
    "NOfM",
    "Row",
    "Shape",
    "WholeLayer",
]
