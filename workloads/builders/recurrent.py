"""One recurrent layer and a classifier, of the size of keyword spotting: ``[steps, 1, features]`` to ``[1, 12]``.

The recurrent layer is the ONNX operator, unrolled by nobody: that is how models with one arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workloads.builders.network import Network, Weights

if TYPE_CHECKING:
    import onnx

__all__ = ["gru", "lstm"]

_CLASSES = 12


def lstm(steps: int = 49, features: int = 40, hidden: int = 128, weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """An LSTM over ``steps`` frames; its last hidden state is classified."""
    return _recurrent("LSTM", 4, steps, features, hidden, weights)


def gru(steps: int = 49, features: int = 40, hidden: int = 128, weights: Weights = Weights.LIGHT) -> onnx.ModelProto:
    """A GRU over ``steps`` frames, its reset gate after the recurrent product (as PyTorch has it)."""
    return _recurrent("GRU", 3, steps, features, hidden, weights, linear_before_reset=1)


def _recurrent(
    op: str, gates: int, steps: int, features: int, hidden: int, weights: Weights, **attributes: int
) -> onnx.ModelProto:
    name = op.lower()
    net = Network(name, weights)
    x = net.input("input", (steps, 1, features))
    parameters = [
        net.weight(f"{name}.input_weight", (1, gates * hidden, features), features),
        net.weight(f"{name}.recurrent_weight", (1, gates * hidden, hidden), hidden),
        net.constant(f"{name}.bias", np.zeros((1, 2 * gates * hidden), np.float32)),
    ]
    _, last = net.nodes(op, [x, *parameters], ["", f"{name}.last"], name, hidden_size=hidden, **attributes)
    state = net.node("Squeeze", [last, net.constant("axes", np.array([0], np.int64))], "state")
    return net.finish(net.dense(state, "classifier", hidden, _CLASSES), (1, _CLASSES))
