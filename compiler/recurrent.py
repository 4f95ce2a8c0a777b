"""One step of a recurrent layer, less its matrix products: what the host does between two steps of the array.

All are operators of the domain ``hwsim`` on ``[1, ...]`` vectors. ``x`` is the input's product with its biases, ``h``
the recurrent one (None in a first step that starts from zero). Gates lie in ONNX' order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir import Node

__all__ = ["STEPS"]

Arrays = Sequence["NDArray | None"]


def _sigmoid(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))


def _gates(x: NDArray, h: NDArray | None, count: int) -> list[NDArray]:
    return np.split(x if h is None else x + h, count, axis=1)


def _lstm_cell(_: Node, inputs: Arrays) -> list[NDArray]:
    """``c' = sigmoid(f) * c + sigmoid(i) * tanh(g)`` of ``x, h, c``."""
    x, h, cell = inputs
    assert x is not None, "it is never omitted"
    write, _output, forget, new = _gates(x, h, 4)
    kept = 0 if cell is None else _sigmoid(forget) * cell
    return [(kept + _sigmoid(write) * np.tanh(new)).astype(x.dtype)]


def _lstm_hidden(_: Node, inputs: Arrays) -> list[NDArray]:
    """``h' = sigmoid(o) * tanh(c')`` of ``x, h, c'``."""
    x, h, cell = inputs
    assert x is not None, "it is never omitted"
    assert cell is not None, "it is never omitted"
    return [(_sigmoid(_gates(x, h, 4)[1]) * np.tanh(cell)).astype(x.dtype)]


def _gru_reset(_: Node, inputs: Arrays) -> list[NDArray]:
    """``sigmoid(r) * state`` of ``x, h, state``, where ``h`` has the gates ``z, r`` alone."""
    x, h, state = inputs
    assert x is not None, "it is never omitted"
    assert h is not None, "without a state there is nothing to reset"
    assert state is not None, "without a state there is nothing to reset"
    size = x.shape[1] // 3
    return [(_sigmoid((x[:, : 2 * size] + h)[:, size:]) * state).astype(x.dtype)]


def _gru_hidden(_: Node, inputs: Arrays) -> list[NDArray]:
    """``h' = (1 - z) * tanh(n) + z * state`` of ``x, h, state`` (the reset gate scales the product), or of four.

    The fourth is the product of the state that :func:`_gru_reset` made.
    """
    x, h, state, *new = inputs
    assert x is not None, "it is never omitted"
    size = x.shape[1] // 3
    recurrent = np.zeros((1, 3 * size), x.dtype)
    if h is not None:
        recurrent[:, : h.shape[1]] = h
    update, reset = (_sigmoid((x + recurrent)[:, i * size : (i + 1) * size]) for i in range(2))
    product = new[0] if new and new[0] is not None else reset * recurrent[:, 2 * size :]
    candidate = np.tanh(x[:, 2 * size :] + product)
    kept = 0 if state is None else update * state
    return [((1 - update) * candidate + kept).astype(x.dtype)]


STEPS = {
    "LSTMCell": _lstm_cell,
    "LSTMHidden": _lstm_hidden,
    "GRUReset": _gru_reset,
    "GRUHidden": _gru_hidden,
}
