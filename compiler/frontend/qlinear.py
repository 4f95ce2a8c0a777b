"""Operators on quantised tensors, rewritten as what they mean: dequantise, compute, quantise.

Everything after this sees one form of quantised model. Covers ONNX' ``QLinearConv`` and ``QLinearMatMul`` and
ONNX Runtime's ``QLinearAdd``, ``QLinearMul``, ``QLinearAveragePool``, ``QLinearGlobalAveragePool``, ``QLinearSigmoid``,
``QLinearLeakyRelu``, ``QLinearSoftmax``, ``QLinearConcat`` and ``QGemm``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.frontend.read import name_of

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = ["expand_qlinear"]


class _Expansion:
    """The nodes and initializers that take one operator's place."""

    def __init__(self, node: onnx.NodeProto, constants: dict[str, NDArray]) -> None:
        self.node = node
        self.name = name_of(node)
        self.constants = constants
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def input(self, index: int) -> str:
        if index >= len(self.node.input) or not self.node.input[index]:
            raise ModelError(f"node {self.name!r} ({self.node.op_type}): input {index} is missing")
        return self.node.input[index]

    def has(self, index: int) -> bool:
        return index < len(self.node.input) and bool(self.node.input[index])

    def dequantize(self, value: int, scale: int, zero_point: int, axis: int | None = None) -> str:
        """The float tensor of the inputs at these places."""
        from onnx import helper

        inputs = [self.input(value), self.input(scale), *([self.input(zero_point)] if self.has(zero_point) else [])]
        output = f"{self.name}/{value}/dequantized"
        proto = helper.make_node("DequantizeLinear", inputs, [output], name=output)
        if axis is not None:
            proto.attribute.append(helper.make_attribute("axis", axis))
        self.nodes.append(proto)
        return output

    def dequantize_bias(self, bias: int, x_scale: int, w_scale: int) -> str:
        """The float tensor of an int32 bias, whose scale is the product of two others."""
        from onnx import helper, numpy_helper

        scales = [self.constants.get(self.input(i)) for i in (x_scale, w_scale)]
        if scales[0] is None or scales[1] is None:
            raise ModelError(f"node {self.name!r} ({self.node.op_type}): its scales are not constant")
        scale = (np.float32(scales[0].reshape(-1)[0]) * scales[1].astype(np.float32)).reshape(-1)
        scale = scale[0] if scale.size == 1 else scale
        names = [f"{self.name}/bias/scale", f"{self.name}/bias/dequantized"]
        self.initializers.append(numpy_helper.from_array(np.asarray(scale, np.float32), names[0]))
        inputs = [self.input(bias), names[0]]
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, names[1:], name=names[1], axis=0))
        return names[1]

    def compute(self, op_type: str, inputs: list[str], *, quantize: tuple[int, int]) -> None:
        """The float operator, and the quantisation of its result by the inputs at ``quantize``."""
        from onnx import helper

        result = f"{self.name}/float"
        proto = helper.make_node(op_type, inputs, [result], name=self.name)
        dropped = {"channels_last", "opset"}
        proto.attribute.extend(a for a in self.node.attribute if a.name not in dropped)
        layout = next((a.i for a in self.node.attribute if a.name == "channels_last"), 0)
        if layout:
            raise ModelError(
                f"node {self.name!r} ({self.node.op_type}): channels-last form; save the model unoptimised"
            )
        scale, zero = quantize
        parameters = [self.input(scale), *([self.input(zero)] if self.has(zero) else [])]
        quantizer: onnx.NodeProto = helper.make_node(
            "QuantizeLinear", [result, *parameters], [self.node.output[0]], name=f"{self.name}/quantize"
        )
        self.nodes += [proto, quantizer]


def _conv(e: _Expansion) -> None:
    inputs = [e.dequantize(0, 1, 2), e.dequantize(3, 4, 5, axis=0)]
    if e.has(8):
        inputs.append(e.dequantize_bias(8, 1, 4))
    e.compute("Conv", inputs, quantize=(6, 7))


def _matmul(e: _Expansion) -> None:
    e.compute("MatMul", [e.dequantize(0, 1, 2), e.dequantize(3, 4, 5, axis=1)], quantize=(6, 7))


def _gemm(e: _Expansion) -> None:
    if not e.has(7):
        raise ModelError(f"node {e.name!r} (QGemm): a float output is not supported; give it y_scale and y_zero_point")
    transposed = next((a.i for a in e.node.attribute if a.name == "transB"), 0)
    inputs = [e.dequantize(0, 1, 2), e.dequantize(3, 4, 5, axis=0 if transposed else 1)]
    if e.has(6):
        inputs.append(e.dequantize_bias(6, 1, 4))
    e.compute("Gemm", inputs, quantize=(7, 8))


def _binary(op_type: str) -> Callable[[_Expansion], None]:
    return lambda e: e.compute(op_type, [e.dequantize(0, 1, 2), e.dequantize(3, 4, 5)], quantize=(6, 7))


def _unary(op_type: str) -> Callable[[_Expansion], None]:
    return lambda e: e.compute(op_type, [e.dequantize(0, 1, 2)], quantize=(3, 4))


def _concat(e: _Expansion) -> None:
    e.compute("Concat", [e.dequantize(i, i + 1, i + 2) for i in range(2, len(e.node.input), 3)], quantize=(0, 1))


def _rename(e: _Expansion) -> None:
    import onnx

    proto = onnx.NodeProto()
    proto.CopyFrom(e.node)
    proto.domain = ""
    e.nodes.append(proto)


_EXPANSIONS: dict[tuple[str, str], Callable[[_Expansion], None]] = {
    ("", "QLinearConv"): _conv,
    ("", "QLinearMatMul"): _matmul,
    ("com.microsoft", "QLinearConv"): _conv,
    ("com.microsoft", "QGemm"): _gemm,
    ("com.microsoft", "QLinearAdd"): _binary("Add"),
    ("com.microsoft", "QLinearMul"): _binary("Mul"),
    ("com.microsoft", "QLinearConcat"): _concat,
    **{
        ("com.microsoft", f"QLinear{op}"): _unary(op)
        for op in ("AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu", "Softmax")
    },
    ("com.microsoft", "DequantizeLinear"): _rename,
    ("com.microsoft", "QuantizeLinear"): _rename,
}


def expand_qlinear(model: onnx.ModelProto, constants: dict[str, NDArray]) -> None:
    """Rewrite ``model`` in place. ``constants`` holds its initializers.

    Raises:
        ModelError: if an operator of these lacks an input, or is of a foreign domain and not among them.

    """
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        domain = "" if node.domain == "ai.onnx" else node.domain
        expand = _EXPANSIONS.get((domain, node.op_type))
        if expand is None:
            if domain == "com.microsoft":
                raise ModelError(
                    f"node {name_of(node)!r} ({node.op_type}): this operator of ONNX Runtime is not supported; "
                    "export the model with QDQ nodes, or without ONNX Runtime's optimisations"
                )
            nodes.append(node)
            continue
        expansion = _Expansion(node, constants)
        expand(expansion)
        nodes += expansion.nodes
        model.graph.initializer.extend(expansion.initializers)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
