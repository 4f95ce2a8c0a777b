"""Gradients: what ``backward`` gives is the slope of what the layer computes."""

from __future__ import annotations

import numpy as np
import pytest

from workloads.digits.layers import (
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    GlobalAverage,
    Layer,
    MaxPool,
    Relu,
    Residual,
    Sequential,
)

RNG = np.random.default_rng(3)

LAYERS = {
    "conv": (Conv("conv", RNG, 3, 5), (2, 4, 5, 3)),
    "strided": (Conv("strided", RNG, 3, 4, stride=2), (2, 5, 6, 3)),
    "pointwise": (Conv("pointwise", RNG, 4, 2, kernel=1), (3, 2, 2, 4)),
    "depthwise": (Conv("depthwise", RNG, 4, 4, depthwise=True), (2, 4, 4, 4)),
    "dense": (Dense("dense", RNG, 6, 3), (5, 6)),
    "norm": (BatchNorm("norm", 3), (4, 3, 2, 3)),
    "relu": (Relu("relu"), (3, 2, 2, 2)),
    "max pool": (MaxPool("pool"), (2, 4, 6, 3)),
    "average": (GlobalAverage("average"), (2, 3, 4, 5)),
    "flatten": (Flatten("flatten"), (3, 4, 4, 1)),
    "residual": (Residual("residual", [Conv("inner", RNG, 3, 3)]), (2, 3, 3, 3)),
    "sequence": (Sequential("sequence", [Conv("first", RNG, 2, 3), GlobalAverage("end")]), (2, 4, 4, 2)),
}

STEP = 1 / 64


def spread(shape: tuple[int, ...]) -> np.ndarray:
    """Values at least 1/8 apart and away from zero: no step crosses the kink of a maximum."""
    count = int(np.prod(shape))
    return ((RNG.permutation(count) - count // 2 + 0.5) / 8).reshape(shape).astype(np.float32)


def slope(layer: Layer, x: np.ndarray, target: np.ndarray, direction: np.ndarray, weight: np.ndarray) -> float:
    """The derivative of ``sum(weight * layer(x))`` as ``target`` moves along ``direction``."""
    start = target.copy()
    sums = []
    for sign in (1, -1):
        target[...] = start + sign * STEP * direction
        sums.append(float((layer(x).astype(np.float64) * weight).sum()))
    target[...] = start
    return (sums[0] - sums[1]) / (2 * STEP)


@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)
def test_backward_is_the_slope(layer: Layer, shape: tuple[int, ...]) -> None:
    layer.train(training=True)
    x = spread(shape)
    weight = RNG.standard_normal(layer(x).shape).astype(np.float32)
    grad_x = layer.backward(weight)
    gradients = [(x, grad_x), *((p.value, p.grad.copy()) for p in layer.parameters())]

    for target, grad in gradients:
        assert grad.shape == target.shape
        assert grad.dtype == np.float32
        direction = RNG.choice(np.array([-1.0, 1.0]), target.shape).astype(np.float32)
        expected = float((grad * direction).sum())
        assert slope(layer, x, target, direction, weight) == pytest.approx(expected, rel=2e-2, abs=2e-2)


def test_equal_maxima_share_the_gradient() -> None:
    pool = MaxPool("pool")
    pool(np.zeros((1, 2, 2, 1), np.float32))
    np.testing.assert_array_equal(pool.backward(np.ones((1, 1, 1, 1), np.float32)), np.full((1, 2, 2, 1), 0.25))


def test_norm_infers_with_what_it_saw_in_training() -> None:
    norm = BatchNorm("norm", 2)
    batch = RNG.normal(3, 2, (4096, 2)).astype(np.float32)
    norm.train(training=True)
    for _ in range(100):
        norm(batch)
    norm.train(training=False)
    result = norm(batch[:7])  # a small batch, whose own mean differs
    expected = (batch[:7] - batch.mean(axis=0)) / batch.std(axis=0)
    np.testing.assert_allclose(result, expected, atol=1e-3)


def test_depthwise_keeps_its_channels() -> None:
    with pytest.raises(ValueError, match=r"^dw: a depthwise convolution keeps its channels, not 3 to 4$"):
        Conv("dw", RNG, 3, 4, depthwise=True)


def test_flatten_refuses_what_it_would_reorder() -> None:
    with pytest.raises(ValueError, match=r"^flat: can flatten one channel, not 2$"):
        Flatten("flat")(np.zeros((1, 2, 2, 2), np.float32))
