"""Quantisation of float models after training, from a calibration set."""

from __future__ import annotations

from compiler.quantize.calibrate import Range, observe
from compiler.quantize.post_training import quantize_graph
from compiler.quantize.scales import IntegerWeights, activation_params, quantize_weights

__all__ = ["IntegerWeights", "Range", "activation_params", "observe", "quantize_graph", "quantize_weights"]
