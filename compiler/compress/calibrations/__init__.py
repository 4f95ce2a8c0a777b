"""Which range of values a grid of few levels should cover."""

from __future__ import annotations

from compiler.compress.calibrations.base import CALIBRATIONS, Calibration
from compiler.compress.calibrations.kl import KullbackLeibler
from compiler.compress.calibrations.maximum import Maximum
from compiler.compress.calibrations.mse import MeanSquaredError
from compiler.compress.calibrations.percentile import Percentile

__all__ = ["CALIBRATIONS", "Calibration", "KullbackLeibler", "Maximum", "MeanSquaredError", "Percentile"]
