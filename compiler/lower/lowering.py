"""From an ONNX-level graph with quantise and dequantise nodes to the integer graph that the accelerator runs.

Walks the operators in order and remembers what each tensor has become. A float operator between a dequantise and a
quantise node is held back until the quantise node gives the scale of its result; then it becomes one integer
operator. Reshapes and transposes become layouts. What has no integer form becomes a host operator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.errors import ModelError
from compiler.evaluate import run_node
from compiler.ir import Graph, Layout, Node, Port, QuantParams, Tensor, outputs_of
from compiler.ir.layout import forget_layouts
from compiler.lower.emit import emit_integer
from compiler.lower.scope import Scope
from compiler.lower.values import Activation, Constant, HostFloat, Pending, Value, Weights

__all__ = ["lower"]

PARTS = frozenset({"Slice", "Split", "Gather"})
VIEWS = frozenset({"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})


def lower(graph: Graph) -> Graph:
    """The integer graph of a quantised ONNX-level graph, which is not changed.

    Raises:
        ModelError: if a node's quantisation is not one that the accelerator computes with.

    """
    scope = Scope(graph)
    _enter(scope)
    for node in graph.select(Node):
        _lower_node(scope, node)
    scope.target.output_ports = tuple(_leave(scope, port) for port in graph.output_ports)
    scope.target.input_ports = tuple(_entered(scope, port) for port in graph.input_ports)
    scope.target.drop_unused()
    scope.target.verify()
    forget_layouts()
    return scope.target


def _enter(scope: Scope) -> None:
    for port in scope.source.input_ports:
        if port.dtype in (np.int8, np.uint8):
            scope.values[port.tensor] = scope.enter(port.tensor, _entering_quant(scope, port.tensor))
        else:
            scope.values[port.tensor] = HostFloat(port.tensor)
            scope.target.add_tensor(scope.source.tensor(port.tensor))


def _entering_quant(scope: Scope, name: str) -> QuantParams | None:
    """The parameters with which a model's integer input is read, however many integer operators come before."""
    waiting = [name]
    while waiting:
        for node in scope.source.consumers(waiting.pop()):
            if isinstance(node, Node) and node.op_type == "DequantizeLinear":
                return activation_quant(scope, node)
            waiting += outputs_of(node)
    return None


def _entered(scope: Scope, port: Port) -> Port:
    if scope.is_free(port.tensor):
        scope.layout(Activation(port.tensor, _flat(scope.source.tensor(port.tensor))))
    layout = scope.placement.get(port.tensor)
    return port if layout is None else Port(port.name, port.tensor, port.dtype, layout)


def _flat(tensor: Tensor) -> Layout:
    return Layout.flat(tensor.shape)


def _leave(scope: Scope, port: Port) -> Port:
    value = scope.value(port.tensor)
    if isinstance(value, Pending):
        value = scope.host_float(port.tensor)
    if isinstance(value, Activation):
        return Port(port.name, value.tensor, port.dtype, scope.layout(value))
    if isinstance(value, HostFloat):
        return Port(port.name, value.tensor, port.dtype, _flat(scope.source.tensor(port.tensor)))
    raise ModelError(f"output {port.name!r} does not depend on any input")


def _lower_node(scope: Scope, node: Node) -> None:
    if node.op_type == "DequantizeLinear":
        scope.values[node.output] = _dequantize(scope, node)
    elif node.op_type == "QuantizeLinear":
        scope.values[node.output] = _quantize(scope, node)
    elif (node.op_type in VIEWS and _view(scope, node)) or (node.op_type in PARTS and _part(scope, node)):
        return
    else:
        operands = tuple(_operand(scope, name) for name in node.inputs)
        for place, output in enumerate(node.outputs):
            if output:
                tensor = scope.source.tensor(output)
                scope.values[output] = Pending(node, operands, _flat(tensor), place)
                if tensor.dtype.kind != "f":
                    _integers(scope, node, output)


def _operand(scope: Scope, name: str) -> Value | None:
    value = scope.value(name)
    # the reader needs floats: whatever made them runs on the host
    return scope.host_float(name) if isinstance(value, Pending) else value


def _integers(scope: Scope, node: Node, output: str) -> None:
    """An operator on quantised tensors themselves (a max pool of int8): it keeps their scale."""
    source = scope.value(node.input(0))
    pending = scope.values[output]
    assert isinstance(pending, Pending), "it was made one just now"
    tensor = scope.source.tensor(output)
    if tensor.dtype in (np.int8, np.uint8) and isinstance(source, Activation) and node.op_type == "MaxPool":
        emitted = emit_integer(scope, pending, output, scope.quant(source.tensor))
        if emitted is not None:
            scope.values[output] = emitted
            return
    if tensor.dtype in (np.int8, np.uint8):
        raise ModelError(f"node {node.name!r} ({node.op_type}): works on quantised values; dequantise them before it")


def _view(scope: Scope, node: Node) -> bool:
    """Reinterpret the layout of what the node reads; False if that is a tensor of the host."""
    value, shape = scope.value(node.input(0)), scope.source.tensor(node.output).shape
    if not isinstance(value, (Activation, Pending, Weights)):
        return False
    if isinstance(value, Weights):
        scope.values[node.output] = _view_weights(node, value, shape)
        return True
    if node.op_type == "Transpose":
        axes = node.integers("perm", tuple(reversed(range(len(value.layout.shape)))))
        layout = value.layout.transpose(axes)
    else:
        layout = value.layout.reshape(shape)
    if isinstance(value, Activation):
        scope.values[node.output] = Activation(value.tensor, layout)
        return True
    reader = scope.source.sole_consumer(node.output)
    if not isinstance(reader, Node) or reader.op_type not in (*VIEWS, "QuantizeLinear"):
        return False
    scope.values[node.output] = Pending(value.node, value.operands, layout, value.result)
    return True


def _part(scope: Scope, node: Node) -> bool:
    """Pick the layout of what the node picks; False if that is a tensor of the host, or not picked by constants."""
    value = scope.value(node.input(0))
    rest = [scope.source.constant(name) if name else None for name in node.inputs[1:]]
    if not isinstance(value, Activation) or any(
        array is None and name for array, name in zip(rest, node.inputs[1:], strict=True)
    ):
        return False
    picked = run_node(node, [value.layout.index, *rest], scope.source.opset)
    for name, index in zip(node.outputs, picked, strict=False):
        if name:
            scope.values[name] = Activation(value.tensor, Layout(index))
    return True


def _view_weights(node: Node, value: Weights, shape: tuple[int, ...]) -> Weights:
    if node.op_type == "Transpose":
        axes = node.integers("perm", tuple(reversed(range(value.values.ndim))))
        axis = axes.index(value.axis % value.values.ndim)
        return Weights(value.values.transpose(axes), value.scale, value.zero_point, axis)
    if value.scale.size == 1:
        return Weights(value.values.reshape(shape), value.scale, value.zero_point, 0)
    count = value.scale.size
    before = int(np.prod(value.values.shape[: value.axis], dtype=np.int64))
    fits = [a for a, n in enumerate(shape) if n == count and int(np.prod(shape[:a], dtype=np.int64)) == before]
    if not fits:
        raise ModelError(f"node {node.name!r} ({node.op_type}): reshapes weights across the axis of their scales")
    return Weights(value.values.reshape(shape), value.scale, value.zero_point, fits[0])


def _parameters(scope: Scope, node: Node) -> tuple[NDArray[np.float32], NDArray]:
    """The constant scale and zero point of a quantise or dequantise node.

    Raises:
        ModelError: if they are not constant, not positive, blocked, or do not fit each other.

    """
    where = f"node {node.name!r} ({node.op_type})"
    scale = scope.source.constant(node.input(1))
    zero_point = scope.source.constant(node.input(2)) if node.input(2) else None
    if scale is None or (node.input(2) and zero_point is None):
        raise ModelError(f"{where}: its scale or zero point is not constant; quantise the model statically")
    if node.integer("block_size", 0):
        raise ModelError(f"{where}: blocked quantisation is not supported; quantise per tensor or per channel")
    scale = np.asarray(scale, np.float32).reshape(-1)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise ModelError(f"{where}: its scale {scale[~(scale > 0) | ~np.isfinite(scale)][0]} is not a positive number")
    if zero_point is None:
        is_quantize = node.op_type == "QuantizeLinear"
        dtype = scope.source.tensor(node.output if is_quantize else node.input(0)).dtype
        zero_point = np.zeros(scale.shape, dtype)
    if zero_point.size not in (1, scale.size):
        raise ModelError(f"{where}: it has {scale.size} scales and {zero_point.size} zero points")
    return scale, zero_point.reshape(-1)


def activation_quant(scope: Scope, node: Node) -> QuantParams:
    """The parameters of a quantised activation, shifted to int8.

    Raises:
        ModelError: if it is not 8 bits wide, or has a scale per channel.

    """
    scale, zero_point = _parameters(scope, node)
    if scale.size != 1:
        raise ModelError(f"node {node.name!r} ({node.op_type}): an activation must have one scale, not {scale.size}")
    if zero_point.dtype not in (np.int8, np.uint8):
        raise ModelError(
            f"node {node.name!r} ({node.op_type}): {zero_point.dtype} activations; int8 or uint8 is needed"
        )
    shift = 128 if zero_point.dtype == np.uint8 else 0
    return QuantParams(float(scale[0]), int(zero_point[0]) - shift)


def _dequantize(scope: Scope, node: Node) -> Value:
    value = scope.value(node.input(0))
    if isinstance(value, Constant):
        scale, zero_point = _parameters(scope, node)
        axis = node.integer("axis", 1)
        ndim = value.value.ndim
        if scale.size > 1 and (not -ndim <= axis < ndim or value.value.shape[axis] != scale.size):
            raise ModelError(
                f"node {node.name!r} (DequantizeLinear): {scale.size} scales do not fit axis {axis} "
                f"of {list(value.value.shape)}"
            )
        return Weights(value.value, scale, zero_point.astype(np.int64), axis % max(ndim, 1))
    if not isinstance(value, Activation):
        raise ModelError(f"node {node.name!r} (DequantizeLinear): what it reads was not quantised")
    quant = activation_quant(scope, node)
    if scope.quant(value.tensor) != quant:
        raise ModelError(
            f"node {node.name!r} (DequantizeLinear): reads {value.tensor!r} with another scale or zero point "
            "than it was quantised with"
        )
    return value


def _quantize(scope: Scope, node: Node) -> Value:
    quant = activation_quant(scope, node)
    value = scope.value(node.input(0))
    if isinstance(value, Activation):
        if scope.quant(value.tensor) == quant:
            return value
        layout = scope.layout(value)
        return Activation(scope.requantized(value.tensor, quant, node.output), layout)
    if isinstance(value, Pending):
        emitted = emit_integer(scope, value, node.output, quant)
        if emitted is None:
            activation = scope.host(value, node.output, quant)
            assert isinstance(activation, Activation), "it is quantised"
            return activation
        return Activation(emitted.tensor, emitted.layout.through(value.layout))
    if isinstance(value, HostFloat):
        return _quantize_float(scope, node, value, quant)
    raise ModelError(f"node {node.name!r} (QuantizeLinear): quantises a constant at run time; fold it")


def _quantize_float(scope: Scope, node: Node, value: HostFloat, quant: QuantParams) -> Activation:
    """A model input is quantised as it enters; a tensor of the host's, by the host."""
    if value.tensor in scope.source.inputs:
        readers = scope.source.consumers(value.tensor)
        if len(readers) == 1:
            return scope.enter(value.tensor, quant)
    tensor = scope.source.tensor(node.input(0))
    identity = Node(node.name, "Identity", (node.input(0),), (node.output,))
    pending = Pending(identity, (value,), _flat(tensor))
    activation = scope.host(pending, node.output, quant)
    assert isinstance(activation, Activation), "it is quantised"
    return activation
