"""The two digits networks: their layers, with weights drawn from a seed."""

from __future__ import annotations

import numpy as np

from workloads.digits.data import CLASSES
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

__all__ = ["cnn", "mlp"]


def _conv(
    name: str,
    rng: np.random.Generator,
    channels: int,
    filters: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    depthwise: bool = False,
    relu: bool = True,
) -> list[Layer]:
    conv = Conv(name, rng, channels, filters, kernel=kernel, stride=stride, depthwise=depthwise)
    norm = BatchNorm(f"{name}_norm", filters)
    return [conv, norm, Relu(f"{name}_relu")] if relu else [conv, norm]


def cnn(seed: int) -> Sequential:
    """One of each kind of layer that the accelerator has: 380,896 multiply-accumulates an image.

    ``[1, 8, 8]`` conv 16 · conv 32 · max pool ``[32, 4, 4]`` · residual (depthwise + pointwise) · conv 48 stride 2
    ``[48, 2, 2]`` · global average · dense 10. A batch norm follows each convolution, a ReLU each of the sums.
    """
    rng = np.random.default_rng(seed)
    block = [
        *_conv("depthwise", rng, 32, 32, depthwise=True),
        *_conv("pointwise", rng, 32, 32, kernel=1, relu=False),
    ]
    return Sequential(
        "digits-cnn",
        [
            *_conv("conv1", rng, 1, 16),
            *_conv("conv2", rng, 16, 32),
            MaxPool("pool"),
            Residual("residual", block),
            Relu("residual_relu"),
            *_conv("conv3", rng, 32, 48, stride=2),
            GlobalAverage("average"),
            Dense("classifier", rng, 48, CLASSES),
        ],
    )


def mlp(seed: int) -> Sequential:
    """Three dense layers, 64 - 64 - 32 - 10."""
    rng = np.random.default_rng(seed)
    return Sequential(
        "digits-mlp",
        [
            Flatten("flatten"),
            Dense("dense1", rng, 64, 64),
            Relu("dense1_relu"),
            Dense("dense2", rng, 64, 32),
            Relu("dense2_relu"),
            Dense("classifier", rng, 32, CLASSES),
        ],
    )
