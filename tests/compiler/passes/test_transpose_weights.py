from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.passes.fully_connected import FormFullyConnected
from compiler.passes.transpose_weights import TransposeWeights
from tests.compiler.builders import applied, imported, kinds, op, rand

INTEGERS = np.random.default_rng(0).integers(-127, 128, (5, 6)).astype(np.int8)


@pytest.mark.parametrize(
    "scale", [{"s": 0.5, "z": np.int8(0)}, {"s": np.abs(rand(5)) + 0.1, "z": np.zeros(5, np.int8)}], ids=["one", "rows"]
)
def test_transposed_weights_make_a_layer(scale: dict, tmp_path: Path):
    nodes = [op("DequantizeLinear", "q s z", "w", axis=0), op("Transpose", "w", "t"), op("MatMul", "x t", "y")]
    graph = imported(tmp_path, nodes, {"x": (2, 6)}, "y", {"q": INTEGERS, **scale})
    after, traces = applied(graph, TransposeWeights(), FormFullyConnected())
    assert all(trace.changed for trace in traces)
    assert "Transpose" not in kinds(after)
    assert "FullyConnected" in kinds(after)


def test_transposed_activations_stay(tmp_path: Path):
    nodes = [op("Transpose", "x", "t"), op("Relu", "t", "y")]
    _, (trace,) = applied(imported(tmp_path, nodes, {"x": (2, 6)}, "y", {}), TransposeWeights())
    assert not trace.changed
