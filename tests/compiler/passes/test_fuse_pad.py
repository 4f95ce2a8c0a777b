from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.ir import Node
from compiler.passes.fuse_pad import FusePad
from tests.compiler.builders import applied, imported, kinds, op, rand

CONV = op("Conv", "p w", "y", kernel_shape=[3, 3], pads=[0, 1, 0, 1])
CONSTANTS = {
    "w": rand(4, 3, 3, 3),
    "w4": rand(4, 4, 3, 3),
    "spatial": np.asarray([0, 0, 1, 2, 0, 0, 3, 0]),
    "channels": np.asarray([0, 1, 0, 0, 0, 0, 0, 0]),
    "crop": np.asarray([0, 0, -1, 0, 0, 0, 0, 0]),
    "one": 1.0,
    "zero": 0.0,
    "s": 0.1,
    "z": np.int8(5),
}


@pytest.mark.parametrize("pad", [op("Pad", "x spatial", "p"), op("Pad", "x spatial zero", "p", mode="constant")])
def test_zeros_around_a_convolution_are_its_own_padding(pad: object, tmp_path: Path):
    after, (trace,) = applied(imported(tmp_path, [pad, CONV], {"x": (1, 3, 6, 6)}, "y", CONSTANTS), FusePad())
    assert trace.changed
    (conv,) = after.select(Node)
    assert conv.integers("pads") == (1, 3, 3, 1)


def test_zero_points_around_a_quantised_input_are_too(tmp_path: Path):
    nodes = [op("Pad", "x spatial z", "q"), op("DequantizeLinear", "q s z", "p"), CONV]
    after, _ = applied(imported(tmp_path, nodes, {"x": ((1, 3, 6, 6), np.int8)}, "y", CONSTANTS), FusePad())
    assert kinds(after) == ["DequantizeLinear", "Conv"]
    assert after.tensor("p").shape == (1, 3, 6, 6)


@pytest.mark.parametrize(
    "nodes",
    [
        [op("Pad", "x spatial one", "p"), CONV],
        [op("Pad", "x spatial", "p", mode="reflect"), CONV],
        [op("Pad", "x channels", "p"), op("Conv", "p w4", "y")],
        [op("Pad", "x spatial", "p"), op("MaxPool", "p", "y", kernel_shape=[2, 2])],
        [op("Pad", "x spatial", "p"), op("Conv", "p w", "c"), op("Relu", "p", "r"), op("ReduceSum", "r", "t"),
         op("Add", "t c", "y")],
    ],
    ids=["ones", "reflected", "channels", "max pool", "read twice"],
)  # fmt: skip
def test_any_other_padding_stays(nodes: list, tmp_path: Path):
    _, (trace,) = applied(imported(tmp_path, nodes, {"x": (1, 3, 6, 6)}, "y", CONSTANTS), FusePad())
    assert not trace.changed


def test_cropping_is_no_padding(tmp_path: Path):
    graph = imported(tmp_path, [op("Pad", "x crop", "p"), CONV], {"x": (1, 3, 6, 6)}, "y", CONSTANTS)
    assert not FusePad()(graph)
