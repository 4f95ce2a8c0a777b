"""QONNX' operators of arbitrary precision, as what the rest of the compiler knows.

``Quant`` of a constant becomes integers behind ``DequantizeLinear``; of an activation, a ``Clip`` to the range of its
bits and a quantise-dequantise pair. ``BipolarQuant`` (-1 or +1, never 0) of an activation becomes our ``Bipolar``
before such a pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.frontend.read import name_of
from compiler.ir import Attribute, Graph, Node, Tensor

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = ["QONNX_DOMAINS", "add_qonnx", "stand_in"]

QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas")


def stand_in(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """Put an ``Identity`` in the place of every QONNX operator, so that ONNX can infer shapes past it.

    Returns the operators, by their output.

    Raises:
        ModelError: if one is not known.

    """
    import onnx

    found: dict[str, onnx.NodeProto] = {}
    for node in model.graph.node:
        if node.domain not in QONNX_DOMAINS:
            continue
        where = f"node {name_of(node)!r} ({node.op_type})"
        if node.op_type not in _EXPANSIONS:
            raise ModelError(f"{where}: this operator of QONNX is not supported; {' and '.join(_EXPANSIONS)} are")
        if len(node.output) != 1 or len(node.input) != _EXPANSIONS[node.op_type][1] or not all(node.input):
            raise ModelError(f"{where}: it lacks inputs or outputs")
        original = onnx.NodeProto()
        original.CopyFrom(node)
        found[node.output[0]] = original
        del node.input[1:], node.attribute[:]
        node.op_type, node.domain = "Identity", ""
    return found


def add_qonnx(graph: Graph, node: Node) -> None:
    """Add to ``graph`` what ``node``, an operator of QONNX, means. Its output is declared.

    Raises:
        ModelError: if its parameters are not constant, or not ones that int8 can express.

    """
    _EXPANSIONS[node.op_type][0](_Expansion(graph, node))


class _Expansion:
    """The operators and constants that take one operator's place."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph, self.node = graph, node
        self.weights = graph.constant(node.input(0))

    def parameter(self, index: int, meaning: str) -> NDArray[np.float64]:
        value = self.graph.constant(self.node.input(index))
        if value is None:
            raise self.error(f"its {meaning} is not constant")
        return value.astype(np.float64)

    def scalar(self, index: int, meaning: str) -> float:
        value = self.parameter(index, meaning)
        if value.size != 1:
            raise self.error(f"its {meaning} has {value.size} values; one is supported")
        return float(value.reshape(-1)[0])

    def error(self, problem: str) -> ModelError:
        return ModelError(f"node {self.node.name!r} ({self.node.op_type}): {problem}")

    def constant(self, suffix: str, value: NDArray) -> str:
        return self.graph.add_constant(f"{self.node.name}/{suffix}", np.asarray(value))

    def emit(
        self, op_type: str, inputs: tuple[str, ...], *, suffix: str = "", dtype: type = np.float32, domain: str = "",
        **attributes: Attribute,
    ) -> str:  # fmt: skip
        """Add an operator of one output, like the QONNX operator's own in shape; the last one writes that itself."""
        output = self.node.output
        if suffix:
            output = self.graph.fresh(f"{self.node.name}/{suffix}")
            self.graph.add_tensor(Tensor(output, self.graph.tensor(self.node.output).shape, np.dtype(dtype)))
        name = self.graph.fresh(f"{self.node.name}/{op_type.lower()}")
        self.graph.add(Node(name, op_type, inputs, (output,), attributes, domain))
        return output

    def integers(self, values: NDArray, scale: NDArray[np.float64], zero_point: int) -> None:
        """A constant: ``values`` of one scale, or of one scale for each index of one axis."""
        axes = [axis for axis, n in enumerate(scale.shape) if n > 1]
        if len(axes) > 1 or (axes and scale.ndim != values.ndim):
            raise self.error(f"its scales {list(scale.shape)} do not run along one axis of {list(values.shape)}")
        flat = scale.reshape(-1).astype(np.float32)
        flat = flat if axes else flat[0]
        zeros = np.full(np.shape(flat), zero_point, values.dtype)
        names = (self.constant("values", values), self.constant("scale", flat), self.constant("zero_point", zeros))
        self.emit("DequantizeLinear", names, axis=axes[0] if axes else 0)

    def pair(self, x: str, scale: float, zero_point: NDArray) -> None:
        """Quantise and dequantise an activation."""
        names = (self.constant("scale", np.asarray(scale, np.float32)), self.constant("zero_point", zero_point))
        quantised = self.emit("QuantizeLinear", (x, *names), suffix="quantized", dtype=zero_point.dtype.type)
        self.emit("DequantizeLinear", (quantised, *names))


def _range_of(e: _Expansion) -> tuple[int, int, type]:
    """The least and the greatest integer of a ``Quant``, and the type that holds them."""
    signed, narrow = e.node.integer("signed", 1), bool(e.node.integer("narrow", 0))
    bits = e.scalar(3, "bit width")
    if bits != int(bits) or not 1 <= bits <= 8 or (signed and bits == 1):
        raise e.error(f"its bit width is {bits:g}; whole numbers from {2 if signed else 1} to 8 are supported")
    if signed:
        return -(2 ** (int(bits) - 1)) + narrow, 2 ** (int(bits) - 1) - 1, np.int8
    return 0, 2 ** int(bits) - 1 - narrow, np.uint8


def _quant(e: _Expansion) -> None:
    rounding = e.node.text("rounding_mode", "ROUND")
    if rounding.upper() not in ("ROUND", "HALF_EVEN"):
        raise e.error(f"its rounding mode {rounding!r} is not supported; ROUND is")
    low, high, kind = _range_of(e)
    zero_point = e.scalar(2, "zero point")
    if zero_point != int(zero_point) or not low <= zero_point <= high:
        raise e.error(f"its zero point {zero_point:g} is not one of its integers, {low}..{high}")
    scales = e.parameter(1, "scale")
    if not (scales > 0).all():
        raise e.error(f"its scale {float(scales.min()):g} is not a positive number")
    if e.weights is not None:
        values = np.clip(np.rint(e.weights / scales + zero_point), low, high)
        e.integers(values.astype(kind), scales, int(zero_point))
        return
    scale, x = e.scalar(1, "scale"), e.node.input(0)
    if (low, high) != (np.iinfo(kind).min, np.iinfo(kind).max):
        ends = [np.asarray((end - zero_point) * scale, np.float32) for end in (low, high)]
        x = e.emit("Clip", (x, e.constant("low", ends[0]), e.constant("high", ends[1])), suffix="clipped")
    e.pair(x, scale, np.asarray(zero_point, kind))


def _bipolar(e: _Expansion) -> None:
    if e.weights is not None:
        e.integers(np.where(e.weights >= 0, 1, -1).astype(np.int8), e.parameter(1, "scale"), 0)
        return
    scale = e.scalar(1, "scale")
    if scale <= 0:
        raise e.error(f"its scale {scale:g} is not a positive number")
    sign = e.emit("Bipolar", (e.node.input(0),), suffix="sign", domain="hwsim", scale=float(np.float32(scale)))
    e.pair(sign, scale, np.asarray(0, np.int8))


_EXPANSIONS = {"Quant": (_quant, 4), "BipolarQuant": (_bipolar, 2)}
"""What takes an operator's place, and how many inputs it has."""
