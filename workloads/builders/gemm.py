"""A matrix product and nothing else: one ``QLinearMatMul`` on int8, for measuring the array."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from workloads.onnx_graph import OnnxGraph

if TYPE_CHECKING:
    import onnx

__all__ = ["gemm"]

_SCALE = 1 / 128


def gemm(m: int, k: int, n: int) -> onnx.ModelProto:
    """``a`` int8 ``[m, k]`` times seeded int8 weights ``[k, n]`` is ``product`` int8 ``[m, n]``; zero points are 0.

    For ``a`` uniform over int8 the output's scale puts three standard deviations at full scale: hardly any value
    saturates, and all codes occur.
    """
    graph = OnnxGraph(f"gemm-{m}x{k}x{n}", description="seeded int8 weights, uniform in -127..127")
    weights = np.random.default_rng((m, k, n)).integers(-127, 128, (k, n), np.int8)
    deviation = sqrt(k * ((256**2 - 1) / 12) * ((255**2 - 1) / 12)) * _SCALE * _SCALE
    zero = graph.scalar("zero_point", 0, "int8")
    inputs = [
        graph.input("a", (m, k), "int8"),
        graph.scalar("a_scale", _SCALE),
        zero,
        graph.constant("weights", weights),
        graph.scalar("weights_scale", _SCALE),
        zero,
        graph.scalar("product_scale", 3 * deviation / 127),
        zero,
    ]
    graph.nodes("QLinearMatMul", inputs, ["product"], "matmul")
    graph.output("product", (m, n), "int8")
    return graph.model()
