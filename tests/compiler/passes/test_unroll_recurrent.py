"""Recurrent layers as products and gates: held against ``onnx.reference``, which evaluates the operators themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.ir import Graph
from compiler.passes.unroll_recurrent import UnrollRecurrent
from tests.compiler.builders import applied, imported, kinds, op, rand

STEPS, FEATURES, HIDDEN = 5, 6, 4
GATES = {"LSTM": 4, "GRU": 3}


def recurrent(
    folder: Path, kind: str, inputs: str = "x w r b", outputs: str = "y h", directions: int = 1, **attributes: object
) -> Graph:
    rows = GATES[kind] * HIDDEN
    constants = {
        "w": rand(directions, rows, FEATURES) / 3,
        "r": rand(directions, rows, HIDDEN, seed=1) / 2,
        "b": rand(directions, 2 * rows, seed=2) / 2,
        "zero": np.zeros((directions, 1, HIDDEN), np.float32),
        "one": np.ones((directions, 1, HIDDEN), np.float32),
        "lengths": np.array([STEPS], np.int32),
    }
    states = {name: (directions, 1, HIDDEN) for name in ("h0", "c0") if name in inputs.split()}
    node = op(kind, inputs, outputs, hidden_size=HIDDEN, **attributes)
    used = {name: constants[name] for name in inputs.split() if name in constants}
    read = " ".join(name for name in outputs.split() if name != "-")
    return imported(folder, [node], {"x": (STEPS, 1, FEATURES), **states}, read, used)


@pytest.mark.parametrize(
    "case",
    [
        {"kind": "LSTM"},
        {"kind": "LSTM", "inputs": "x w r"},
        {"kind": "LSTM", "inputs": "x w r b - zero zero", "outputs": "y h c"},
        {"kind": "LSTM", "inputs": "x w r b - h0 c0", "outputs": "- h c"},
        {"kind": "GRU"},
        {"kind": "GRU", "inputs": "x w r"},
        {"kind": "GRU", "linear_before_reset": 1},
        {"kind": "GRU", "inputs": "x w r b - h0", "outputs": "- h"},
        {"kind": "GRU", "inputs": "x w r b - h0", "linear_before_reset": 1},
    ],
    ids=lambda case: " ".join(map(str, case.values())),
)
def test_unrolled_steps_compute_what_the_operator_does(case: dict, tmp_path: Path):
    after, (trace,) = applied(recurrent(tmp_path, **case), UnrollRecurrent())
    assert trace.changed
    assert not {"LSTM", "GRU"} & set(kinds(after))


def test_all_inputs_are_one_product_and_each_step_but_the_first_has_its_own(tmp_path: Path):
    after, _ = applied(recurrent(tmp_path, "LSTM", outputs="- h"), UnrollRecurrent())
    assert kinds(after).count("FullyConnected") == 1 + (STEPS - 1)
    assert kinds(after).count("LSTMCell") == kinds(after).count("LSTMHidden") == STEPS


def test_a_gru_that_resets_first_has_two_products_a_step(tmp_path: Path):
    after, _ = applied(recurrent(tmp_path, "GRU", outputs="- h"), UnrollRecurrent())
    assert kinds(after).count("FullyConnected") == 1 + 2 * (STEPS - 1)


@pytest.mark.parametrize(
    "case",
    [
        {"kind": "LSTM", "inputs": "x w r b lengths"},
        {"kind": "LSTM", "clip": 1.0},
        {"kind": "LSTM", "inputs": "x w r b - one one"},
    ],
    ids=["sequence lengths", "clipping", "a constant state"],
)
def test_what_the_steps_cannot_express_stays_whole(case: dict, tmp_path: Path):
    graph = recurrent(tmp_path, **case)
    assert not UnrollRecurrent()(graph)
    assert kinds(graph) == ["LSTM"]


@pytest.mark.parametrize(("direction", "directions"), [("reverse", 1), ("bidirectional", 2)])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_other_directions(kind: str, direction: str, directions: int, tmp_path: Path):
    """``onnx.reference`` has no other direction: time turned round by hand is held against it instead."""
    from compiler.evaluate import evaluate
    from compiler.passes import run_passes

    graph = recurrent(tmp_path, kind, directions=directions, direction=direction)
    forward = recurrent(tmp_path, kind, directions=1)
    for name in ("w", "r", "b"):
        value = graph.constant(name)
        assert value is not None
        forward.set_constant(name, value[-1:])
    run_passes(graph, [UnrollRecurrent()])
    x = rand(STEPS, 1, FEATURES, seed=9)
    got, want = evaluate(graph, {"x": x}), evaluate(forward, {"x": x[::-1]})
    np.testing.assert_allclose(got["y"][:, -1], want["y"][::-1, 0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got["h"][-1], want["h"][0], rtol=1e-4, atol=1e-6)
