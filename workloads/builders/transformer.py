"""A transformer encoder block (Vaswani et al., 2017), each half normalised first; ``[1, tokens, width]`` in and out."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from workloads.builders.network import Network, Weights

if TYPE_CHECKING:
    import onnx

__all__ = ["transformer_block"]


def transformer_block(
    tokens: int = 64, width: int = 256, heads: int = 4, weights: Weights = Weights.LIGHT
) -> onnx.ModelProto:
    """Self-attention and a two-layer perceptron four times as wide, each with a shortcut.

    ``width`` is a multiple of ``heads``. Two of its matrix products are of two activations.
    """
    if width % heads:
        raise ValueError(f"transformer_block: width {width} is not a multiple of {heads} heads")
    net = Network("transformer-block", weights)
    x = net.input("input", (1, tokens, width))
    x = net.node("Add", [x, _attention(net, _norm(net, x, "norm1", width), tokens, width, heads)], "attention_add")
    y = net.linear(_norm(net, x, "norm2", width), "mlp1", width, 4 * width)
    y = net.linear(_gelu(net, y, "gelu"), "mlp2", 4 * width, width)
    return net.finish(net.node("Add", [x, y], "mlp_add"), (1, tokens, width))


def _attention(net: Network, x: str, tokens: int, width: int, heads: int) -> str:
    """``softmax(q @ k.T / sqrt(d)) @ v`` per head, and a projection."""
    depth = width // heads
    split = net.constant("split_shape", np.array([1, tokens, heads, depth], np.int64))
    join = net.constant("join_shape", np.array([1, tokens, width], np.int64))

    def head(part: str, axes: list[int]) -> str:
        y = net.node("Reshape", [net.linear(x, part, width, width), split], f"{part}_split")
        return net.node("Transpose", [y], f"{part}_heads", perm=axes)

    query, key, value = head("query", [0, 2, 1, 3]), head("key", [0, 2, 3, 1]), head("value", [0, 2, 1, 3])
    scores = net.node("MatMul", [query, key], "scores")
    scaled = net.node("Div", [scores, net.scalar("sqrt_depth", sqrt(depth))], "scaled_scores")
    mixed = net.node("MatMul", [net.node("Softmax", [scaled], "attention", axis=-1), value], "mixed")
    joined = net.node("Reshape", [net.node("Transpose", [mixed], "mixed_tokens", perm=[0, 2, 1, 3]), join], "joined")
    return net.linear(joined, "projection", width, width)


def _norm(net: Network, x: str, name: str, width: int) -> str:
    gain = net.constant(f"{name}.gain", np.ones(width, np.float32))
    return net.node("LayerNormalization", [x, gain, net.zeros(f"{name}.shift", width)], name, axis=-1)


def _gelu(net: Network, x: str, name: str) -> str:
    """``x * (1 + erf(x / sqrt(2))) / 2``, in the parts that exporters use before opset 20."""
    inner = net.node("Erf", [net.node("Div", [x, net.scalar("sqrt_2", sqrt(2))], f"{name}_scaled")], f"{name}_erf")
    gate = net.node("Add", [inner, net.scalar("one", 1.0)], f"{name}_gate")
    return net.node("Mul", [net.node("Mul", [x, gate], f"{name}_product"), net.scalar("half", 0.5)], name)
