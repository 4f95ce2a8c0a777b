from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from compiler.passes.fold_normalisation import FoldNormalisation
from compiler.passes.fully_connected import FormFullyConnected
from tests.compiler.builders import applied, imported, kinds, op, rand

CONSTANTS = {
    "mean": rand(1, 4, 1, 1), "std": abs(rand(1, 4, 1, 1, seed=1)) + 0.5, "w": rand(6, 4, 3, 3), "b": rand(6),
    "g": rand(6, 2, 3, 3), "v": rand(4), "m": rand(4, 5),
}  # fmt: skip
NORMALISE = [op("Sub", "x mean", "a"), op("Div", "a std", "n")]


@pytest.mark.parametrize(
    "layer", [op("Conv", "n w b", "y"), op("Conv", "n g", "y", group=2, strides=[2, 1])], ids=["dense", "grouped"]
)
def test_the_input_is_normalised_by_the_first_layer(layer: onnx.NodeProto, tmp_path: Path):
    graph = imported(tmp_path, [*NORMALISE, layer], {"x": (1, 4, 6, 6)}, "y", CONSTANTS)
    after, (trace,) = applied(graph, FoldNormalisation())
    assert trace.changed
    assert kinds(after) == ["Conv"]


def test_a_dense_layer_normalises_too(tmp_path: Path):
    nodes = [op("Mul", "x v", "a"), op("Add", "a v", "n"), op("MatMul", "n m", "y")]
    graph = imported(tmp_path, nodes, {"x": (3, 4)}, "y", CONSTANTS)
    after, _ = applied(graph, FormFullyConnected(), FoldNormalisation())
    assert kinds(after) == ["FullyConnected"]


def test_padding_takes_a_scale_but_not_a_shift(tmp_path: Path):
    layer = op("Conv", "n w", "y", pads=[1, 1, 1, 1])
    after, _ = applied(
        imported(tmp_path, [*NORMALISE, layer], {"x": (1, 4, 6, 6)}, "y", CONSTANTS), FoldNormalisation()
    )
    assert kinds(after) == ["Sub", "Conv"]


def test_a_normalised_tensor_that_is_read_twice_stays(tmp_path: Path):
    nodes = [*NORMALISE, op("Conv", "n w", "c", pads=[1, 1, 1, 1]), op("Relu", "n", "z")]
    _, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 4, 6, 6)}, "c z", CONSTANTS), FoldNormalisation())
    assert not trace.changed
