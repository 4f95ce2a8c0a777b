from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import compiler
from compiler.ir import Concat, Conv, Host
from tests.compiler.builders import kinds, model, op, rand, save
from tests.compiler.shared import MODELS, needs_models


def load(nodes: list, shape: tuple, constants: dict, folder: Path, outputs: str = "y"):
    path = save(model(nodes, {"x": shape}, outputs, constants), folder)
    return compiler.load(path, calibration=rand(32, *shape[1:], seed=3))


def test_concatenated_tensors_share_one_scale(tmp_path: Path):
    nodes = [op("Conv", "x a", "l"), op("Conv", "x b", "r"), op("Concat", "l r", "c", axis=1), op("Conv", "c d", "y")]
    constants = {"a": rand(4, 3, 1, 1), "b": 9 * rand(4, 3, 1, 1, seed=1), "d": rand(2, 8, 1, 1)}
    graph = load(nodes, (1, 3, 4, 4), constants, tmp_path)
    assert kinds(graph) == ["Conv", "Conv", "Concat", "Conv"]
    (join,) = [op for op in graph.operators() if isinstance(op, Concat)]
    assert len({graph.tensor(name).quant for name in (*join.inputs, join.output)}) == 1


def test_a_pool_and_a_reshape_keep_their_scale(tmp_path: Path):
    nodes = [
        op("Conv", "x a", "l"), op("MaxPool", "l", "p", kernel_shape=[2, 2]), op("Flatten", "p", "f"),
        op("MatMul", "f m", "y"),
    ]  # fmt: skip
    graph = load(nodes, (1, 3, 4, 4), {"a": rand(4, 3, 1, 1), "m": rand(36, 2)}, tmp_path)
    conv, pool, _ = graph.operators()
    assert graph.tensor(conv.output).quant == graph.tensor(pool.output).quant  # type: ignore[union-attr]


def test_a_bias_far_above_its_weights_fits_32_bits(tmp_path: Path):
    weights = rand(2, 3, 1, 1)
    weights[1] = 1e-12
    graph = load([op("Conv", "x a b", "y")], (1, 3, 4, 4), {"a": weights, "b": np.float32([0.0, 50.0])}, tmp_path)
    (conv,) = [op for op in graph.operators() if isinstance(op, Conv)]
    assert 0 < conv.bias[1] < 2**31
    got = compiler.read_outputs(graph, compiler.interpret(graph, {"x": np.zeros((1, 3, 4, 4), np.float32)}))["y"]
    assert np.abs(got[0, 1] - 50).max() < 0.5


def test_what_the_host_alone_touches_stays_float(tmp_path: Path):
    nodes = [op("Conv", "x a", "c"), op("Softmax", "c", "s", axis=1), op("Log", "s", "y")]
    graph = load(nodes, (1, 3, 4, 4), {"a": rand(4, 3, 1, 1)}, tmp_path)
    assert [(h.op_type, graph.tensor(h.output).quant) for h in graph.operators() if isinstance(h, Host)] == [
        ("Softmax", None),
        ("Log", None),
    ]


def test_a_host_operator_between_layers_is_quantised_again(tmp_path: Path):
    nodes = [op("Conv", "x a", "c"), op("Sigmoid", "c", "s"), op("Mul", "s c", "g"), op("Conv", "g d", "y")]
    graph = load(nodes, (1, 3, 4, 4), {"a": rand(4, 3, 1, 1), "d": rand(2, 4, 1, 1)}, tmp_path)
    assert kinds(graph) == ["Conv", "Sigmoid", "Mul", "Conv"]


@needs_models
def test_squeezenet_keeps_its_winners():
    folder = MODELS / "squeezenet_dc"
    with np.load(folder / "squeezenet_dc_golden.npz") as data:
        x, y = data["x"][:2], data["y"][:2]
    graph = compiler.load(folder / "squeezenet_dc.onnx", calibration=x)
    counts = {kind: kinds(graph).count(kind) for kind in set(kinds(graph))}
    assert counts == {"Conv": 26, "Concat": 8, "Pool": 4, "Softmax": 1}
    got = np.concatenate(
        [compiler.read_outputs(graph, compiler.interpret(graph, {"data": a[None]}))["prob"] for a in x]
    )
    np.testing.assert_array_equal(got.argmax(1), y.argmax(1))
    assert np.abs(got - y).max() < 0.1


@pytest.mark.parametrize("percentile", [0.0, 101.0])
def test_a_percentile_is_a_percentage(percentile: float, tmp_path: Path):
    path = save(model([op("Conv", "x a", "y")], {"x": (1, 3, 4, 4)}, "y", {"a": rand(4, 3, 1, 1)}), tmp_path)
    with pytest.raises(compiler.ModelError, match=r"percentile must be in \(0, 100\], not "):
        compiler.load(path, calibration="random", percentile=percentile)
