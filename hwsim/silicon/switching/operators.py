"""Single operators, measured alone: what a PE's area is compared with, and the widths that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.silicon.switching.stimulus import Stimulus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.silicon.switching.operands import LayerOperands

__all__ = ["ADD", "MULTIPLY", "add_stimulus", "multiply_stimulus", "operator_verilog"]

ADD, MULTIPLY = "+", "*"
TOP = "operator"
_VECTORS = 64


def operator_verilog(symbol: str, bits: int, sum_bits: int) -> str:
    """``p <= a op b`` in two's complement, registered once so that it can be timed."""
    return f"""\
module {TOP}(input clk, input signed [{bits - 1}:0] a, input signed [{bits - 1}:0] b, \
output reg signed [{sum_bits - 1}:0] p);
  always @(posedge clk) p <= a {symbol} b;
endmodule
"""


def multiply_stimulus(layers: list[LayerOperands], bits: int) -> Stimulus:
    """Of 8 bits: activations past weights that stay. Wider: sums of real layers past requantisation's mantissas."""
    rng = np.random.default_rng(0)
    a, b = [], []
    for layer in layers:
        filters = rng.choice(layer.weights.shape[1], 2, replace=False)
        for filter_ in filters:
            if bits == 8:
                row = int(rng.integers(0, layer.weights.shape[0]))
                column = layer.activations[:_VECTORS, row].astype(np.int64)
                value = int(layer.weights[row, filter_])
            else:
                column = layer.activations[:_VECTORS].astype(np.int64) @ layer.weights[:, filter_].astype(np.int64)
                # A mantissa is in [1/2, 1).
                value = int(rng.integers(1 << (bits - 2), 1 << (bits - 1)))
            a.append(column)
            b.append(np.full(len(column), value))
    return _registered(np.concatenate(a), np.concatenate(b), bits, 2 * bits, MULTIPLY)


def add_stimulus(layers: list[LayerOperands], bits: int) -> Stimulus:
    """Both halves of real sums, in ``bits`` bits of two's complement."""
    a, b = [], []
    for layer in layers:
        x, w = layer.activations[:_VECTORS].astype(np.int64), layer.weights.astype(np.int64)
        middle = len(w) // 2
        for filter_ in (0, 1):
            a.append(x[:, :middle] @ w[:middle, filter_])
            b.append(x[:, middle:] @ w[middle:, filter_])
    return _registered(np.concatenate(a), np.concatenate(b), bits, bits, ADD)


def _registered(a: NDArray[np.int64], b: NDArray[np.int64], bits: int, sum_bits: int, symbol: str) -> Stimulus:
    half = 1 << (bits - 1)
    # Sums that are wider are cut as the hardware would cut them.
    a, b = ((x + half) % (2 * half) - half for x in (a, b))
    results = [int(x) * int(y) if symbol == MULTIPLY else int(x) + int(y) for x, y in zip(a, b, strict=True)]
    expected = np.full(len(a), -1, dtype=object)
    expected[1:] = [value & ((1 << sum_bits) - 1) for value in results[:-1]]
    words = {name: (x & (2 * half - 1)).astype(object) for name, x in (("a", a), ("b", b))}
    return Stimulus(words, {"p": expected}, start=2)
