"""Formats of weights: what a file says its integers stand for, and the processing element that multiplies by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["ARITHMETICS", "FORMATS_KEY", "Arithmetic", "Format"]

Arithmetic = Literal["float", "int8", "int4", "codebook", "shift", "ternary", "binary", "dual"]
"""The processing element that a format runs on; floats run on none."""
ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)
FORMATS_KEY = "hwsim.formats"
"""Metadata of a file: for each layer, name, bits and arithmetic of its weights' format, as JSON."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a weight is stored: ``bits`` each, and one ``scale`` per channel or tensor."""

    name: str
    bits: int
    arithmetic: Arithmetic
