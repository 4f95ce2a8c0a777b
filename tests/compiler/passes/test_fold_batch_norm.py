from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.passes.fold_batch_norm import FoldBatchNorm
from compiler.passes.fully_connected import FormFullyConnected
from compiler.passes.fuse_activation import FuseActivation
from tests.compiler.builders import applied, imported, kinds, op, rand

CONSTANTS = {
    "w": rand(4, 3, 3, 3), "d": rand(6, 1, 3, 3), "b": rand(4), "m": rand(6, 4), "channel": rand(4, 1, 1),
    "wide": rand(1, 4, 1, 1), "one": 0.3, "row": rand(4), "map": rand(1, 4, 1, 4),
    "gamma": rand(4) + 2, "beta": rand(4, seed=1), "mean": rand(4, seed=2), "var": np.abs(rand(4, seed=3)) + 0.1,
}  # fmt: skip
BN = op("BatchNormalization", "c gamma beta mean var", "y", epsilon=0.01)


@pytest.mark.parametrize(
    "after",
    [
        [BN],
        [op("Add", "c wide", "y")],
        [op("Sub", "channel c", "y")],
        [op("Mul", "c one", "y")],
        [op("Div", "c wide", "y")],
        [op("Mul", "c wide", "s"), op("Add", "channel s", "y")],
    ],
    ids=["batch norm", "bias", "reversed", "scalar", "division", "scale then bias"],
)
@pytest.mark.parametrize("layer", [op("Conv", "x w", "c"), op("Conv", "x w b", "c", pads=[1, 1, 1, 1])])
def test_scaling_after_a_convolution_is_in_its_weights(layer: onnx.NodeProto, after: list, tmp_path: Path):
    graph, (trace,) = applied(imported(tmp_path, [layer, *after], {"x": (1, 3, 6, 6)}, "y", CONSTANTS), FoldBatchNorm())
    assert trace.changed
    assert kinds(graph) == ["Conv"]


@pytest.mark.parametrize("transposed", [0, 1])
def test_scaling_after_a_dense_layer(transposed: int, tmp_path: Path):
    constants = {**CONSTANTS, "m": rand(4, 6) if transposed else rand(6, 4)}
    nodes = [op("Gemm", "x m", "c", transB=transposed), op("Mul", "c row", "y")]
    graph, _ = applied(imported(tmp_path, nodes, {"x": (3, 6)}, "y", constants), FormFullyConnected(), FoldBatchNorm())
    assert kinds(graph) == ["FullyConnected"]


@pytest.mark.parametrize(
    "nodes",
    [
        [op("Conv", "x w", "c"), BN, op("Mul", "c y", "z")],
        [op("Conv", "x w", "c"), op("Mul", "c map", "z")],
        [op("Conv", "x w", "r"), op("Relu", "r", "c"), op("Mul", "c one", "z")],
        [op("Conv", "x v", "c"), op("Mul", "c one", "z"), op("DequantizeLinear", "q one zero", "v")],
    ],
    ids=["read twice", "not per channel", "after an activation", "integer weights with a zero point"],
)
def test_what_cannot_be_folded_stays(nodes: list, tmp_path: Path):
    constants = {**CONSTANTS, "q": np.ones((4, 3, 3, 3), np.int8), "zero": np.int8(1)}
    graph = imported(tmp_path, nodes, {"x": (1, 3, 6, 6)}, "z", constants)
    FuseActivation()(graph)
    _, (trace,) = applied(graph, FoldBatchNorm())
    assert not trace.changed


@pytest.mark.parametrize("scaling", [BN, op("Mul", "c channel", "y"), op("Div", "c wide", "y")])
def test_scales_of_integer_weights_take_a_factor_and_integers_its_sign(scaling: onnx.NodeProto, tmp_path: Path):
    integers = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    constants = {**CONSTANTS, "q": integers, "s": np.abs(rand(4)) + 0.1, "zero": np.zeros(4, np.int8)}
    nodes = [op("DequantizeLinear", "q s zero", "v", axis=0), op("Conv", "x v b", "c"), scaling]
    graph, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 3, 6, 6)}, "y", constants), FoldBatchNorm())
    assert trace.changed
    assert [k for k in kinds(graph) if k != "DequantizeLinear"] == ["Conv"]
