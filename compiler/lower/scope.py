"""The state of lowering one graph: what each tensor has become, and where the tensors that enter are laid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.errors import ModelError
from compiler.ir import (
    Graph,
    Host,
    HostArgument,
    IntegerOp,
    Layout,
    Node,
    Permute,
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


@dataclass(frozen=True, slots=True, eq=False)
class _Unplaced:
    """A tensor that the host writes, in whatever order its first reader wants."""

    shape: tuple[int, ...]
    """Of the ONNX tensor."""
    quant: QuantParams
    emit: Callable[[Layout], None] | None = None
    """Adds the operator that writes it; None for an input of the model."""


@dataclass(frozen=True, slots=True, eq=False)
class _Arrangement:
    """A copy of a tensor in another order."""

    have: Layout
    wanted: Layout
    hwc: tuple[int, ...]
    tensor: str


class Scope:
    """``source`` is the ONNX-level graph, ``target`` the integer graph that grows from it.

    A tensor that enters the graph, or that a host operator writes, has no fixed place in ``[height, width, channels]``
    until its first reader asks for one: the host lays its elements down in any order, so a transpose or flatten of it
    costs nothing. A tensor of the accelerator's is copied where a reader needs another order.
    """

    def __init__(self, source: Graph) -> None:
        self.source = source
        self.target = Graph(source.name, opset=source.opset)
        self.target.notes = source.notes
        self.values: dict[str, Value] = {}
        self.placement: dict[str, Layout] = {}
        """For tensors that the host writes: where each element of the ONNX tensor lies, once decided."""
        self._unplaced: dict[str, _Unplaced] = {}
        self._arranged: dict[str, list[_Arrangement]] = {}
        # where only the host has asked, a tensor of three axes is taken for rows of features, or for a line of pixels
        windows = source.select(Node, "Conv", "MaxPool", "AveragePool")
        self._has_1d_windows = any(len(source.tensor(node.output).shape) == 3 for node in windows)

    def value(self, name: str) -> Value | None:
        """What a tensor of the source has become; None for an omitted input."""
        if not name:
            return None
        constant = self.source.constant(name)
        return self.values[name] if constant is None else Constant(constant)

    # quantised tensors

    def enter(self, name: str, quant: QuantParams | None) -> Activation:
        """A model input that is, or is at once quantised to, int8."""
        shape = self.source.tensor(name).shape
        self._unplaced[name] = _Unplaced(shape, quant or QuantParams(1.0, 0))
        return Activation(name, Layout.flat(shape))

    def is_part(self, value: Activation) -> bool:
        """Whether ``value`` is but a slice of its tensor."""
        unplaced = self._unplaced.get(value.tensor)
        shape = self.target.tensor(value.tensor).shape if unplaced is None else unplaced.shape
        return value.layout.index.size != Layout.flat(shape).index.size

    def is_free(self, tensor: str) -> bool:
        """Whether the tensor can still be laid down in any order."""
        return tensor in self._unplaced

    def quant(self, tensor: str) -> QuantParams:
        """The scale and zero point of an integer tensor."""
        if tensor in self._unplaced:
            return self._unplaced[tensor].quant
        quant = self.target.tensor(tensor).quant
        assert quant is not None, "activations are quantised"
        return quant

    def layout(self, value: Activation, wanted: Layout | None = None, hwc: tuple[int, ...] | None = None) -> Layout:
        """Where the elements of ``value`` lie; a tensor without a place is laid as ``wanted``, of shape ``hwc``."""
        if value.tensor in self._unplaced:
            self._place(value, wanted, hwc)
        placement = self.placement.get(value.tensor)
        return value.layout if placement is None else placement.through(value.layout)

    def _place(self, value: Activation, wanted: Layout | None, hwc: tuple[int, ...] | None) -> None:
        tensor, view = self._unplaced.pop(value.tensor), value.layout
        if view.index.size != Layout.flat(tensor.shape).index.size:  # a part cannot decide for the whole
            view, wanted = Layout.flat(tensor.shape), None
        if wanted is None or hwc is None:
            wanted, hwc = natural(view.shape, channels_last=len(view.shape) == 3 and not self._has_1d_windows)
        if view.index is Layout.flat(view.shape).index:
            placement = wanted if view.shape == tensor.shape else wanted.reshape(tensor.shape)
        else:
            index = np.empty(view.index.size, np.int32)
            index[view.index.reshape(-1)] = wanted.index.reshape(-1)
            placement = Layout(index.reshape(tensor.shape))
        self.placement[value.tensor] = placement
        self.target.add_tensor(Tensor(value.tensor, hwc, INT8, tensor.quant))
        if tensor.emit is not None:
            tensor.emit(placement)

    def natural(self, value: Activation, *, channels_last: bool = False) -> str:
        """A tensor in which ``value`` lies as a convolution (or matrix product) reads its ONNX shape."""
        wanted, hwc = natural(value.layout.shape, channels_last=channels_last)
        have = self.layout(value, wanted, hwc)
        shape = self.target.tensor(value.tensor).shape
        if have.same(wanted) and (shape == hwc or (channels_last and shape[2] == hwc[2])):
            return value.tensor
        return self.arranged(value, wanted, hwc)

    def arranged(self, value: Activation, wanted: Layout, hwc: tuple[int, ...]) -> str:
        """A tensor of shape ``hwc`` in which ``value`` lies as ``wanted``: its own, or a copy.

        The accelerator makes the copy if it only picks and permutes channels, else the host does.
        """
        have = self.layout(value, wanted, hwc)
        if have.same(wanted) and self.target.tensor(value.tensor).shape == hwc:
            return value.tensor
        known = self._arranged.setdefault(value.tensor, [])
        for copy in known:
            if copy.hwc == hwc and copy.have.same(have) and copy.wanted.same(wanted):
                return copy.tensor
        output = self.target.fresh(f"{value.tensor}/arranged")
        name = self.target.fresh(f"{value.tensor}/arrange")
        channels = _picked(have, wanted, self.target.tensor(value.tensor).shape, hwc)
        operator: IntegerOp
        if channels is not None:
            operator = Permute(name, (value.tensor,), output, channels)
        else:
            node = Node(name, "Identity", (value.tensor,), (output,))
            argument = HostArgument(tensor=value.tensor, layout=have)
            operator = Host(
                name, (value.tensor,), output, "Transpose", _REASONS["Transpose"], node, (argument,), wanted
            )
        self.emit(operator, hwc, self.quant(value.tensor))
        known.append(_Arrangement(have, wanted, hwc, output))
        return output

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
        inputs = tuple(dict.fromkeys(a.tensor for a in arguments if a.tensor is not None))
        own_shape = self.source.tensor(node.outputs[pending.result]).shape
        name = self.target.fresh(node.name)

        def operator(layout: Layout | None) -> Host:
            reason = reason_for(node)
            return Host(name, inputs, output, node.op_type, reason, node, arguments, layout, pending.result)

        if quant is not None:
            self._unplaced[output] = _Unplaced(own_shape, quant, lambda layout: self.target.add(operator(layout)))
            return Activation(output, pending.layout)
        self.emit(operator(None), own_shape, None)
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


def _picked(have: Layout, wanted: Layout, source: tuple[int, ...], hwc: tuple[int, ...]) -> tuple[int, ...] | None:
    """The channels of a tensor of shape ``source`` that one of shape ``hwc`` consists of, the same in every pixel.

    None if more has to be moved than channels.
    """
    if source[:2] != hwc[:2]:
        return None
    places = np.empty(have.index.size, np.int32)
    places[wanted.index.reshape(-1)] = have.index.reshape(-1)
    pixels = places.reshape(-1, hwc[2])
    channels = pixels[0]
    expected = np.arange(len(pixels), dtype=np.int32)[:, None] * source[2] + channels
    if (channels >= source[2]).any() or not np.array_equal(pixels, expected):
        return None
    return tuple(channels.tolist())


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
