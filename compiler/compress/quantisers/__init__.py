"""Formats of weights, one per file; importing this package registers them all in ``QUANTISERS``."""

from __future__ import annotations

from compiler.compress.quantisers.base import QUANTISERS, Codes, Format, QuantiserMethod, WeightQuantiser
from compiler.compress.quantisers.binary import BinaryWeights
from compiler.compress.quantisers.codebook import Codebook
from compiler.compress.quantisers.dorefa import DoReFa
from compiler.compress.quantisers.dual_plane import DualPlane
from compiler.compress.quantisers.masked import MaskedForward
from compiler.compress.quantisers.power_of_two import PowerOfTwo
from compiler.compress.quantisers.ternary import TernaryWeights
from compiler.compress.quantisers.uniform import Uniform

__all__ = [
    "QUANTISERS",
    "BinaryWeights",
    "Codebook",
    "Codes",
    "DoReFa",
    "DualPlane",
    "Format",
    "MaskedForward",
    "PowerOfTwo",
    "QuantiserMethod",
    "TernaryWeights",
    "Uniform",
    "WeightQuantiser",
]
