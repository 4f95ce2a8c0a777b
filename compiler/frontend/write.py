"""From an ONNX-level graph back to an ONNX model, which other tools open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Graph, Node

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = ["OLDEST_OPSET", "to_onnx"]

IR_VERSION = 10
"""The oldest that has all types of opset 21; ONNX Runtime reads it since 1.18."""
OLDEST_OPSET = 13
"""The first whose ``QuantizeLinear`` has scales per channel."""
WIDE_OPSET = 21
"""The first whose ``DequantizeLinear`` takes int16."""


def to_onnx(graph: Graph, *, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """``graph`` in standard operators, with its inputs and outputs under their own names, batch 1.

    ``FullyConnected`` becomes ``Gemm`` (or ``MatMul`` and ``Add``), a fused activation a ``Relu`` or ``Clip``.

    Raises:
        ModelError: an operator has no form in ONNX, or the graph's operator set is older than 13.

    """
    import onnx
    from onnx import helper, numpy_helper, version_converter

    if graph.opset < OLDEST_OPSET:
        raise ModelError(
            f"{graph.name}: operator set {graph.opset} is older than {OLDEST_OPSET}; convert the model first"
        )
    writer = _Writer(graph)
    for node in graph.select(Node):
        writer.add(node)
    inputs = [_value(port.name, port.dtype, port.shape) for port in graph.input_ports]
    outputs = [_value(port.name, port.dtype, port.shape) for port in graph.output_ports]
    read = {name for node in writer.nodes for name in node.input}
    initializers = [
        numpy_helper.from_array(np.ascontiguousarray(v), n) for n, v in writer.constants.items() if n in read
    ]
    proto = helper.make_graph(writer.nodes, graph.name, inputs, outputs, initializers)
    opsets = [helper.make_operatorsetid("", graph.opset)]
    model = helper.make_model(proto, producer_name="hwsim", opset_imports=opsets, ir_version=IR_VERSION)
    helper.set_model_props(model, dict(metadata or {}))
    if graph.opset < WIDE_OPSET and any(value.dtype == np.int16 for value in writer.constants.values()):
        model = version_converter.convert_version(model, WIDE_OPSET)
    onnx.checker.check_model(model)
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def _value(name: str, dtype: np.dtype, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), list(shape))


class _Writer:
    """Nodes in order, and the constants that they read."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray] = {}
        self.names = _renamed(graph)

    def add(self, node: Node) -> None:
        """Write one operator, and the activation that is fused into it."""
        if node.bipolar() is not None or (node.domain not in ("", "hwsim")):
            raise ModelError(f"node {node.name!r} ({node.op_type}): has no form in standard ONNX")
        result = self.name(node.output)
        plain = result if not _is_fused(node) else self.fresh(f"{result}/linear")
        writers: dict[str, Callable[[Node, str], None]] = {"FullyConnected": self._fully_connected}
        if node.domain == "hwsim" and node.op_type not in writers:
            raise ModelError(f"node {node.name!r} ({node.op_type}): has no form in standard ONNX")
        writers.get(node.op_type, self._as_it_is)(node, plain)
        if plain != result:
            self._activation(node, plain, result)

    def name(self, tensor: str) -> str:
        """What a tensor is called in the file; a constant is put into it."""
        constant = self.graph.constant(tensor) if tensor else None
        name = self.names.get(tensor, tensor)
        if constant is not None:
            self.constants[name] = constant
        return name

    def fresh(self, name: str) -> str:
        """A name that no tensor has."""
        taken = set(self.names.values()) | set(self.constants)
        candidate, count = self.graph.fresh(name), 0
        while candidate in taken:
            count += 1
            candidate = self.graph.fresh(f"{name}_{count}")
        return candidate

    def constant(self, name: str, value: NDArray) -> str:
        """A new constant."""
        name = self.fresh(name)
        self.constants[name] = value
        return name

    def emit(self, op_type: str, inputs: list[str], outputs: list[str], name: str, **attributes: object) -> None:
        """A node in the file."""
        from onnx import helper, numpy_helper

        proto = helper.make_node(op_type, inputs, outputs, name=name)
        for key, value in sorted(attributes.items()):
            plain = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
            proto.attribute.append(helper.make_attribute(key, plain))
        self.nodes.append(proto)

    def _as_it_is(self, node: Node, result: str) -> None:
        outputs = [result, *(self.names.get(name, name) for name in node.outputs[1:])]
        attributes = {key: value for key, value in node.attributes.items() if key != "clip"}
        self.emit(node.op_type, [self.name(n) for n in node.inputs], outputs, node.name, **attributes)

    def _fully_connected(self, node: Node, result: str) -> None:
        x, weights, *bias = (self.name(name) for name in node.inputs if name)
        transposed = node.integer("transB", 0)
        if len(self.graph.tensor(node.input(0)).shape) == 2:
            self.emit("Gemm", [x, weights, *bias], [result], node.name, transB=transposed)
            return
        if transposed:
            turned = self.fresh(f"{weights}/transposed")
            self.emit("Transpose", [weights], [turned], turned, perm=(1, 0))
            weights = turned
        product = self.fresh(f"{result}/product") if bias else result
        self.emit("MatMul", [x, weights], [product], node.name)
        if bias:
            self.emit("Add", [product, *bias], [result], f"{node.name}/bias")

    def _activation(self, node: Node, plain: str, result: str) -> None:
        low, high = node.clip()
        if (low, high) == (0, np.inf):
            self.emit("Relu", [plain], [result], f"{node.name}/relu")
            return
        bounds = [
            self.constant(f"{result}/{key}", np.asarray(bound, np.float32)) if np.isfinite(bound) else ""
            for key, bound in (("min", low), ("max", high))
        ]
        self.emit("Clip", [plain, *(bounds if bounds[1] else bounds[:1])], [result], f"{node.name}/clip")


def _is_fused(node: Node) -> bool:
    return node.clip() != (-np.inf, np.inf)


def _renamed(graph: Graph) -> dict[str, str]:
    """Tensors that leave the graph under another name than they have inside, and those that give way to them."""
    names: dict[str, str] = {}
    for port in (*graph.input_ports, *graph.output_ports):
        if port.tensor != port.name:
            names[port.tensor] = port.name
            if graph.has_tensor(port.name):
                names[port.name] = graph.fresh(f"{port.name}/raw")
    return names
