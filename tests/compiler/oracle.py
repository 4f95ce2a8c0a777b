"""ONNX Runtime on one integer operator: what the reference interpreter is held against."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from compiler.ir import Conv, Pool, PoolKind, QuantParams, Requantize
from tests.compiler.builders import model, op

onnxruntime.set_default_logger_severity(4)


def run(proto: object, feeds: dict[str, NDArray]) -> list[NDArray]:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])  # type: ignore[attr-defined]
    return session.run(None, feeds)


def _unsigned(q: NDArray[np.int8]) -> NDArray[np.uint8]:
    return (q.astype(np.int16) + 128).astype(np.uint8)


def _weights(weights: NDArray[np.int16], scale: NDArray[np.float32]) -> dict[str, NDArray | np.generic]:
    """Scale, zero point and 8-bit values of weights of -255..255; signed where they fit."""
    low, high = int(weights.min()), int(weights.max())
    dtype, zero = (np.int8, 0) if low >= -128 and high <= 127 else (np.uint8, max(-low, 0))
    single = scale.size == 1
    return {
        "w": (weights + zero).astype(dtype),
        "ws": scale.reshape(()) if single else scale,
        "wz": np.full(() if single else scale.shape, zero, dtype),
    }


def conv(layer: Conv, x: NDArray[np.int8]) -> NDArray[np.int8]:
    """``layer`` without its residual as one ``QLinearConv``: all scale in the weights, activations as uint8."""
    weights = layer.weights.transpose(3, 2, 0, 1)
    rule = layer.requantize
    node = op(
        "QLinearConv",
        "x xs xz w ws wz ys yz b",
        "y",
        strides=layer.strides,
        pads=layer.pads,
        dilations=layer.dilations,
        group=layer.groups,
        kernel_shape=weights.shape[2:],
    )
    constants = {
        "xs": 1.0,
        "xz": np.uint8(layer.input_zero_point + 128),
        **_weights(weights, rule.scale),
        "ys": 1.0,
        "yz": np.uint8(rule.zero_point + 128),
        "b": layer.bias,
    }
    proto = model([node], {"x": ((1, x.shape[2], *x.shape[:2]), np.uint8)}, {"y": np.uint8}, constants)
    (y,) = run(proto, {"x": _unsigned(x).transpose(2, 0, 1)[None]})
    q = y[0].transpose(1, 2, 0).astype(np.int16) - 128
    return np.clip(q, rule.low, rule.high).astype(np.int8)


def matmul(layer: Conv, x: NDArray[np.int8]) -> NDArray[np.int8]:
    """A fully connected ``layer`` as one ``QGemm`` (ONNX Runtime's fused form), or ``QLinearMatMul`` without bias."""
    weights = layer.weights.reshape(-1, layer.weights.shape[3])
    rule = layer.requantize
    constants = {
        "xs": 1.0,
        "xz": np.uint8(layer.input_zero_point + 128),
        **_weights(weights, rule.scale),
        "ys": 1.0,
        "yz": np.uint8(rule.zero_point + 128),
        "b": layer.bias,
    }
    if layer.bias.any():
        node = op("QGemm", "x xs xz w ws wz b ys yz", "y", domain="com.microsoft", alpha=1.0, transA=0, transB=0)
    else:
        node = op("QLinearMatMul", "x xs xz w ws wz ys yz", "y")
        del constants["b"]
    proto = model([node], {"x": ((1, weights.shape[0]), np.uint8)}, {"y": np.uint8}, constants)
    (y,) = run(proto, {"x": _unsigned(x).reshape(1, -1)})
    return np.clip(y.astype(np.int16) - 128, rule.low, rule.high).astype(np.int8).reshape(1, 1, -1)


def global_average(pool: Pool, x: NDArray[np.int8], have: QuantParams, out: QuantParams) -> NDArray[np.int8]:
    """``pool`` as one ``QLinearGlobalAveragePool`` between these scales."""
    assert pool.kind is PoolKind.GLOBAL
    node = op("QLinearGlobalAveragePool", "x xs xz ys yz", "y", domain="com.microsoft", channels_last=0)
    constants = {
        "xs": have.scale,
        "xz": np.uint8(have.zero_point + 128),
        "ys": out.scale,
        "yz": np.uint8(out.zero_point + 128),
    }
    proto = model([node], {"x": ((1, x.shape[2], *x.shape[:2]), np.uint8)}, {"y": np.uint8}, constants)
    (y,) = run(proto, {"x": _unsigned(x).transpose(2, 0, 1)[None]})
    return (y[0].transpose(1, 2, 0).astype(np.int16) - 128).astype(np.int8)


def rule(filters: int, depth: int, rng: np.random.Generator) -> Requantize:
    """Scales that bring a sum of ``depth`` products of bytes into a byte."""
    scale = rng.uniform(0.5, 2, filters) / (90 * np.sqrt(depth))
    return Requantize(scale.astype(np.float32), int(rng.integers(-128, 128)))
