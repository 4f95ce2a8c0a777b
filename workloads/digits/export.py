"""A trained digits network as a float ONNX model: NCHW, symbolic batch, batch norms unfolded, softmax at the end.

It is what a training framework would hand over: folding and fusing is the compiler's work.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

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
from workloads.onnx_graph import OnnxGraph

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]


def to_onnx(network: Sequential, description: str) -> onnx.ModelProto:
    """``network`` at inference: ``image`` float32 ``[N, 1, 8, 8]`` to ``probabilities`` ``[N, 10]``."""
    graph = OnnxGraph(network.name, description=description)
    logits = emit(network, graph, graph.input("image", ("N", 1, 8, 8)))
    graph.nodes("Softmax", [logits], ["probabilities"], "softmax", axis=1)
    graph.output("probabilities", ("N", CLASSES))
    return graph.model()


@singledispatch
def emit(layer: Layer, graph: OnnxGraph, x: str) -> str:
    """Writes ``layer`` into ``graph`` with input ``x``, and names its output."""
    raise TypeError(f"{layer.name}: no ONNX form for {type(layer).__name__} in {graph.name!r}, on {x!r}")


@emit.register
def _(layer: Sequential, graph: OnnxGraph, x: str) -> str:
    for inner in layer.layers:
        x = emit(inner, graph, x)
    return x


@emit.register
def _(layer: Residual, graph: OnnxGraph, x: str) -> str:
    y = x
    for inner in layer.layers:
        y = emit(inner, graph, y)
    return graph.node("Add", [y, x], layer.name)


@emit.register
def _(layer: Conv, graph: OnnxGraph, x: str) -> str:
    weights = graph.constant(f"{layer.name}.weight", layer.weights.value)
    return graph.node(
        "Conv",
        [x, weights],
        layer.name,
        kernel_shape=[layer.kernel] * 2,
        strides=[layer.stride] * 2,
        pads=[layer.pad] * 4,
        group=len(layer.weights.value) if layer.depthwise else 1,
    )


@emit.register
def _(layer: BatchNorm, graph: OnnxGraph, x: str) -> str:
    parts = {
        "scale": layer.gain.value,
        "bias": layer.shift.value,
        "mean": layer.mean,
        "variance": layer.variance,
    }
    constants = [graph.constant(f"{layer.name}.{part}", value) for part, value in parts.items()]
    return graph.node("BatchNormalization", [x, *constants], layer.name, epsilon=layer.EPSILON)


@emit.register
def _(layer: Dense, graph: OnnxGraph, x: str) -> str:
    weights = graph.constant(f"{layer.name}.weight", layer.weights.value)
    bias = graph.constant(f"{layer.name}.bias", layer.bias.value)
    return graph.node("Gemm", [x, weights, bias], layer.name, transB=1)


@emit.register
def _(layer: Relu, graph: OnnxGraph, x: str) -> str:
    return graph.node("Relu", [x], layer.name)


@emit.register
def _(layer: MaxPool, graph: OnnxGraph, x: str) -> str:
    return graph.node("MaxPool", [x], layer.name, kernel_shape=[2, 2], strides=[2, 2])


@emit.register
def _(layer: GlobalAverage, graph: OnnxGraph, x: str) -> str:
    pooled = graph.node("GlobalAveragePool", [x], layer.name)
    return graph.node("Flatten", [pooled], f"{layer.name}_flatten", axis=1)


@emit.register
def _(layer: Flatten, graph: OnnxGraph, x: str) -> str:
    return graph.node("Flatten", [x], layer.name, axis=1)
