"""Post-training quantisation: a float graph and the ranges of its activations become a graph with QDQ nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.ir import Graph, Node, QuantParams, Tensor
from compiler.passes.fold_batch_norm import filter_axis
from compiler.quantize.calibrate import Range
from compiler.quantize.scales import SMALLEST_SCALE, IntegerWeights, activation_params, quantize_weights

__all__ = ["quantize_graph"]

LAYERS = frozenset({"Conv", "FullyConnected"})
VIEWS = frozenset({"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})
SHARING = VIEWS | {"Slice", "Split", "Gather", "MaxPool", "GlobalMaxPool", "Concat"}
"""Operators that only move values: their inputs and outputs get one scale, so that nothing is rounded twice."""
QUANTISED = LAYERS | SHARING | {"Add", "AveragePool", "GlobalAveragePool", "Relu", "Clip", "MatMul"}
BIAS_BITS = 30


def quantize_graph(
    graph: Graph, ranges: Mapping[str, Range], weights: Mapping[str, IntegerWeights] | None = None
) -> None:
    """Insert quantise and dequantise nodes in place.

    Every activation that the accelerator reads or writes becomes int8 with one scale, the weights int8 with a scale
    per filter; those constants that ``weights`` names become the integers that it gives for them.

    What only the host touches stays float; so does a bias, which lowering rounds to the accumulator's own scale.
    """
    parameters = _shared_parameters(graph, ranges)
    for name in [t.name for t in graph.tensors()]:
        if name in parameters and _is_quantised(graph, name):
            _insert_pair(graph, name, parameters[name])
    shared: dict[tuple[str, int], str] = {}
    for layer in graph.walk(Node, *LAYERS):
        given = (weights or {}).get(layer.input(1))
        if given is None:
            _quantize_layer(graph, layer, shared)
        else:
            _store(graph, layer, given)


def _is_quantised(graph: Graph, name: str) -> bool:
    tensor, producer = graph.tensor(name), graph.producer(name)
    if tensor.dtype != np.float32 or (producer is None and name not in graph.inputs):
        return False
    return any(
        isinstance(op, Node) and op.op_type in QUANTISED and _has_form(graph, op)
        for op in (producer, *graph.consumers(name))
    )


def _has_form(graph: Graph, node: Node) -> bool:
    """Whether an operator of those kinds runs on the accelerator with these operands."""
    if node.op_type in LAYERS:
        return graph.constant(node.input(1)) is not None
    if node.op_type in ("Add", "Concat", "MatMul"):
        return all(graph.constant(name) is None for name in node.inputs)
    return True


def _shared_parameters(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, QuantParams]:
    """One set of parameters for each group of tensors that must share them."""
    leader: dict[str, str] = {name: name for name in ranges}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for node in graph.walk(Node, *SHARING):
        members = [name for name in (*node.inputs, *node.outputs) if name in leader]
        for name in members[1:]:
            leader[find(name)] = find(members[0])
    merged: dict[str, Range] = {}
    for name, values in ranges.items():
        root = find(name)
        merged[root] = merged[root] | values if root in merged else values
    # the array multiplies by a weight, not by a weight less a zero point that only the running network knows
    symmetric = {find(name) for node in graph.walk(Node, "MatMul") for name in node.inputs if name in leader}
    return {name: _parameters(merged[find(name)], symmetric=find(name) in symmetric) for name in ranges}


def _parameters(values: Range, *, symmetric: bool) -> QuantParams:
    if not symmetric:
        return activation_params(values)
    peak = max(-values.low, values.high)
    return QuantParams(float(np.float32(max(peak / 127, SMALLEST_SCALE))), 0)


def _insert_pair(graph: Graph, name: str, quant: QuantParams) -> None:
    tensor = graph.tensor(name)
    scale = graph.add_constant(f"{name}/scale", np.asarray(quant.scale, np.float32))
    zero_point = graph.add_constant(f"{name}/zero_point", np.asarray(quant.zero_point, np.int8))
    quantised, real = graph.fresh(f"{name}/int8"), graph.fresh(f"{name}/real")
    graph.add_tensor(Tensor(quantised, tensor.shape, np.dtype(np.int8)))
    graph.add_tensor(Tensor(real, tensor.shape, tensor.dtype))
    graph.redirect(name, real)
    graph.add(Node(f"{quantised}/quantize", "QuantizeLinear", (name, scale, zero_point), (quantised,)))
    graph.add(Node(f"{real}/dequantize", "DequantizeLinear", (quantised, scale, zero_point), (real,)))


def _input_scale(graph: Graph, layer: Node) -> float:
    dequantize = graph.producer(layer.input(0))
    scale = graph.constant(dequantize.inputs[1]) if isinstance(dequantize, Node) and dequantize.inputs[1:] else None
    return 1.0 if scale is None else float(scale.reshape(-1)[0])


def _quantize_layer(graph: Graph, layer: Node, shared: dict[tuple[str, int], str]) -> None:
    """Put integers behind a layer's weights; layers without a bias that share weights share those, by ``shared``."""
    weights, bias = graph.constant(layer.input(1)), graph.constant(layer.input(2))
    if weights is None or weights.dtype.kind != "f":
        return
    axis = filter_axis(layer)
    key = (layer.input(1), axis)
    if bias is None and key in shared:
        graph.replace(layer.name, replace(layer, inputs=(layer.input(0), shared[key], *layer.inputs[2:])))
        return
    # a filter of tiny weights and a large bias needs a scale at which that bias fits 32 bits
    smallest = SMALLEST_SCALE if bias is None else _bias_floor(bias, _input_scale(graph, layer))
    values, scales = quantize_weights(weights, axis, smallest)
    real = _store(graph, layer, IntegerWeights(values, scales, np.zeros(scales.shape, np.int8), axis))
    if bias is None:
        shared[key] = real


def _store(graph: Graph, layer: Node, weights: IntegerWeights) -> str:
    """Let ``layer`` read those integers, dequantised; returns the name of the dequantised tensor."""
    kind, dtype = ("int8", np.int8) if weights.values.dtype == np.int8 else ("int16", np.int16)
    single = weights.scale.size == 1
    scale, zero_point = (p.reshape(()) if single else p for p in (weights.scale, weights.zero_point.astype(dtype)))
    names = (
        graph.add_constant(f"{layer.input(1)}/{kind}", weights.values),
        graph.add_constant(f"{layer.input(1)}/scale", scale),
        graph.add_constant(f"{layer.input(1)}/zero_point", zero_point),
    )
    real = graph.fresh(f"{layer.name}/weights/real")
    graph.add_tensor(Tensor(real, weights.values.shape, np.dtype(np.float32)))
    node = Node(graph.fresh(f"{layer.name}/weights"), "DequantizeLinear", names, (real,), {"axis": weights.axis})
    graph.insert_before(layer.name, node)
    graph.replace(layer.name, replace(layer, inputs=(layer.input(0), real, *layer.inputs[2:])))
    return real


def _bias_floor(bias: NDArray, input_scale: float) -> NDArray[np.float64]:
    return np.maximum(np.abs(bias.astype(np.float64)) / (input_scale * 2.0**BIAS_BITS), SMALLEST_SCALE)
