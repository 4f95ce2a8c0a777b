"""Short names of layers."""

from __future__ import annotations

import random

import pytest

from hwsim.report.names import NAME_WIDTH, short_names

FUSED = (
    "net/activation/Relu;net/batch_normalization/FusedBatchNormV3;net/conv2d/BiasAdd/ReadVariableOp/resource;"
    "net/conv2d/BiasAdd;net/conv2d_2/Conv2D;net/conv2d/Conv2D1_prequant"
)
TFLITE = (
    FUSED,
    "net/conv2d_1/BiasAdd;net/conv2d_1/Conv2D;net/conv2d_1/BiasAdd/ReadVariableOp/resource1_prequant",
    "net/average_pooling2d/AvgPool_prequant",
)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        pytest.param(("conv1", "pool"), ("conv1", "pool"), id="short ones stay"),
        pytest.param(TFLITE, ("conv2d", "conv2d_1", "average_pooling2d"), id="of TensorFlow Lite: the module"),
        pytest.param(("/l1/conv/Conv", "/l2/conv/Conv"), ("l1/conv", "l2/conv"), id="as much path as tells them apart"),
        pytest.param(("same", "same", "same"), ("same", "same #2", "same #3"), id="the same name: numbered"),
        pytest.param(("x" * 99,), ("x" * 7 + "…" + "x" * 16,), id="long: without its middle"),
        pytest.param(("", " "), ("?", "? #2"), id="no name"),
        pytest.param(("a\x1b[31m\n",), ("a?[31m?",), id="control characters are not printed"),
        pytest.param((), (), id="no layers"),
    ],
)
def test_short_name(names: tuple[str, ...], short: tuple[str, ...]):
    assert short_names(names) == short


def test_short_names_are_short_and_differ_whatever_the_names():
    rng = random.Random(0)
    for _ in range(200):
        names = ["".join(rng.choices("ab/;_#2 …Conv", k=rng.randrange(60))) for _ in range(rng.randrange(1, 12))]
        short = short_names(names)
        assert len(set(short)) == len(names)
        assert all(0 < len(name) <= NAME_WIDTH and name.isprintable() for name in short)
