"""The state of lowering one graph: what each tensor has become, and where the tensors that enter are laid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.errors import ModelError
from compiler.ir import (
    Graph,
    Host,
    HostArgument,
    IntegerOp,
    Layout,
    Node,
    Pool,
    PoolKind,
    QuantParams,
    Requantize,
    Tensor,
    hwc_shape,
)
from compiler.ir.shapes import integer_shape
from compiler.lower.values import Activation, Constant, HostFloat, Pending, Value, Weights

__all__ = ["Scope", "reason_for"]

INT8 = np.dtype(np.int8)
FLOAT = np.dtype(np.float32)


class Scope:
    """``source`` is the ONNX-level graph, ``target`` the integer graph that grows from it.

    A tensor that enters the graph has no fixed place in ``[height, width, channels]`` until its first reader asks for
    one: the host lays its elements down in any order, so a transpose or flatten of an input costs nothing.
    """

    def __init__(self, source: Graph) -> None:
        self.source = source
        self.target = Graph(source.name, opset=source.opset)
        self.target.notes = source.notes
        self.values: dict[str, Value] = {}
        self.placement: dict[str, Layout] = {}
        """For tensors that enter: where each element of the ONNX tensor lies, once decided."""
        self.entering: dict[str, QuantParams | None] = {}
        """Tensors that enter as integers and have no place yet."""

    def value(self, name: str) -> Value | None:
        """What a tensor of the source has become; None for an omitted input."""
        if not name:
            return None
        constant = self.source.constant(name)
        return self.values[name] if constant is None else Constant(constant)

    # quantised tensors

    def enter(self, name: str, quant: QuantParams | None) -> Activation:
        """A model input that is, or is at once quantised to, int8."""
        self.entering[name] = quant
        return Activation(name, _identity(self.source.tensor(name).shape))

    def quant(self, tensor: str) -> QuantParams:
        """The scale and zero point of an integer tensor."""
        if tensor in self.entering:
            return self.entering[tensor] or QuantParams(1.0, 0)
        quant = self.target.tensor(tensor).quant
        assert quant is not None, "activations are quantised"
        return quant

    def layout(self, value: Activation, wanted: Layout | None = None, hwc: tuple[int, ...] | None = None) -> Layout:
        """Where the elements of ``value`` lie; a tensor without a place is laid as ``wanted``, of shape ``hwc``."""
        if value.tensor in self.entering:
            if wanted is None or hwc is None:
                wanted, hwc = natural(value.layout.shape)
            index = np.empty(value.layout.index.size, np.int32)
            index[value.layout.index.reshape(-1)] = wanted.index.reshape(-1)
            shape = self.source.tensor(value.tensor).shape
            self.placement[value.tensor] = Layout(index.reshape(shape))
            self.target.add_tensor(Tensor(value.tensor, hwc, INT8, self.quant(value.tensor)))
            del self.entering[value.tensor]
        if value.tensor in self.placement:
            return Layout(self.placement[value.tensor].index.reshape(-1)[value.layout.index])
        return value.layout

    def natural(self, value: Activation, *, channels_last: bool = False) -> str | None:
        """The tensor, if ``value`` lies in it as a convolution (or matrix product) reads its ONNX shape."""
        wanted, hwc = natural(value.layout.shape, channels_last=channels_last)
        if not self.layout(value, wanted, hwc).same(wanted):
            return None
        if channels_last:
            return value.tensor if self.target.tensor(value.tensor).shape[2] == hwc[2] else None
        return value.tensor if self.target.tensor(value.tensor).shape == hwc else None

    def emit(self, operator: IntegerOp, shape: tuple[int, ...], quant: QuantParams | None) -> None:
        """Add an operator and the tensor it writes.

        Raises:
            ModelError: if ``shape``, which the model says, is not what the operator makes of its inputs.

        """
        made = integer_shape(operator, self.target.tensor)
        if made is not None and (made != shape or min(made) < 1):
            raise ModelError(f"its window does not fit: it would make {list(made)} of its input, not {list(shape)}")
        dtype = INT8 if quant is not None else FLOAT
        self.target.add_tensor(Tensor(operator.output, shape, dtype, quant))
        self.target.add(operator)

    def requantized(self, tensor: str, quant: QuantParams, output: str, limits: tuple[int, int] = (-128, 127)) -> str:
        """``tensor`` at another scale: a max pool of one element, which the accelerator has."""
        have = self.quant(tensor)
        scale = np.asarray([np.float32(have.scale) / np.float32(quant.scale)], np.float32)
        rule = Requantize(scale, quant.zero_point, *limits)
        name = self.target.fresh(f"{output}/requantize")
        self.emit(
            Pool(name, (tensor,), output, PoolKind.MAX, (1, 1), have.zero_point, rule),
            self.target.tensor(tensor).shape,
            quant,
        )
        return output

    # host operators

    def host(self, pending: Pending, output: str, quant: QuantParams | None = None) -> Value:
        """Emit ``pending`` as a host operator that writes ``output``, quantised or float."""
        node = pending.node
        arguments = tuple(self._argument(value) for value in pending.operands)
        inputs = tuple(a.tensor for a in arguments if a.tensor is not None)
        own_shape = self.source.tensor(node.outputs[pending.result]).shape
        layout, hwc = natural(own_shape) if quant is not None else (None, own_shape)
        name = self.target.fresh(node.name)
        op = Host(name, inputs, output, node.op_type, reason_for(node), node, arguments, layout, pending.result)
        self.emit(op, hwc, quant)
        if layout is not None:
            return Activation(output, Layout(layout.index.reshape(-1)[pending.layout.index]))
        if np.array_equal(pending.layout.index.reshape(-1), np.arange(pending.layout.index.size)):
            return HostFloat(output)
        raise ModelError(f"node {node.name!r} ({node.op_type}): its result is transposed before the host can return it")

    def host_float(self, name: str) -> HostFloat:
        """The float tensor of the source called ``name``, computed by the host."""
        value = self.values[name]
        if isinstance(value, Pending):
            value = self.host(value, name)
            self.values[name] = value
        assert isinstance(value, HostFloat), "only pending values are undecided"
        return value

    def _argument(self, value: Value | None) -> HostArgument:
        match value:
            case None:
                return HostArgument()
            case Activation():
                layout = self.layout(value)
                return HostArgument(tensor=value.tensor, layout=layout)
            case HostFloat():
                return HostArgument(tensor=value.tensor)
            case Weights():
                return HostArgument(constant=value.real)
            case Constant():
                return HostArgument(constant=value.value)
            case Pending():
                name = value.node.outputs[value.result]
                return HostArgument(tensor=self.host_float(name).tensor)


def natural(shape: Sequence[int], *, channels_last: bool = False) -> tuple[Layout, tuple[int, int, int]]:
    """The layout and HWC shape in which a convolution (or matrix product) reads an ONNX shape.

    A shape that is no image is taken as rows of features.
    """
    try:
        return Layout.natural(shape, channels_last=channels_last), hwc_shape(shape, channels_last=channels_last)
    except ValueError:
        return Layout.natural(shape, channels_last=True), hwc_shape(shape, channels_last=True)


def _identity(shape: Sequence[int]) -> Layout:
    size = int(np.prod(shape, dtype=np.int64))
    return Layout(np.arange(size, dtype=np.int32).reshape(tuple(shape)))


_REASONS = {
    "Conv": "its weights or its result are not quantised, or it is not 1-D or 2-D",
    "FullyConnected": "its weights or its result are not quantised",
    "Softmax": "the accelerator has no exponential",
    "LogSoftmax": "the accelerator has no exponential",
    "Sigmoid": "the accelerator has no exponential",
    "Transpose": "its reader needs another order of elements than its producer writes",
    "MatMul": "both operands are activations",
    "AveragePool": "its windows do not all cover the same number of elements, or its result is not quantised",
}


def reason_for(node: Node) -> str:
    """Why the host runs an operator, for the report."""
    return _REASONS.get(node.op_type, f"the accelerator has no {node.op_type} for these operands")
