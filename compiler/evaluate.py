"""The meaning of ONNX operators on float arrays: what passes preserve, calibration observes and the host runs.

The heavy operators run in numpy; every other one runs in ``onnx.reference``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir import Graph, Node
from compiler.kernels import conv2d, max_pool, sum_pool
from compiler.recurrent import STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["evaluate", "run_node"]

Arrays = Sequence["NDArray | None"]


def evaluate(graph: Graph, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Every tensor of an ONNX-level graph, by name, for the named inputs in their ONNX shapes.

    Raises:
        ModelError: if an operator cannot be run.

    """
    values: dict[str, NDArray] = {}
    for port in graph.input_ports:
        values[port.tensor] = np.asarray(inputs[port.name], port.dtype).reshape(port.shape)
    for node in graph.select(Node):
        arrays = [_value(graph, values, name) for name in node.inputs]
        values.update(zip(node.outputs, run_node(node, arrays, graph.opset), strict=False))
    return values


def _value(graph: Graph, values: Mapping[str, NDArray], name: str) -> NDArray | None:
    if not name:
        return None
    constant = graph.constant(name)
    return values[name] if constant is None else constant


def run_node(node: Node, inputs: Arrays, opset: int) -> list[NDArray]:
    """The outputs of one operator.

    Raises:
        ModelError: naming the operator, if it is unknown or refuses its inputs.

    """
    low, high = node.clip()
    plain = replace(node, attributes={k: v for k, v in node.attributes.items() if k not in ("clip", "bipolar")})
    native = _NATIVE.get(node.op_type) if node.domain in ("", "hwsim") else None
    try:
        outputs = None if native is None else native(plain, inputs)
        if outputs is None:
            outputs = _reference(plain, inputs, opset)
    except ModelError:
        raise
    except Exception as error:  # whatever onnx.reference raises is about this node
        raise ModelError(f"node {node.name!r} ({node.op_type}) cannot be evaluated: {error}") from error
    if low > -np.inf or high < np.inf:
        outputs = [np.clip(outputs[0], np.float32(low), np.float32(high)), *outputs[1:]]
    scale = node.bipolar()
    return outputs if scale is None else [np.where(outputs[0] >= 0, np.float32(scale), np.float32(-scale))]


def _image(x: NDArray) -> NDArray:
    """``[1, C, H, W]`` or ``[1, C, W]`` as ``[H, W, C]``."""
    return (x[0] if x.ndim == 4 else x[0][:, None]).transpose(1, 2, 0)


def _planar(y: NDArray, rank: int) -> NDArray:
    y = y.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(y if rank == 4 else y[:, :, 0])


def window(node: Node, kernel: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Strides, dilations and pads (top, left, bottom, right) of a convolution or pool, a 1-D one as a row."""
    rank = len(kernel)
    ones = (1,) * rank
    strides, dilations = node.integers("strides", ones), node.integers("dilations", ones)
    pads = node.integers("pads", (0,) * (2 * rank))
    if len(strides) != rank or len(dilations) != rank or len(pads) != 2 * rank:
        raise ModelError(
            f"node {node.name!r} ({node.op_type}): strides, dilations or pads do not fit a {rank}-D kernel"
        )
    if rank == 1:
        return (1, strides[0]), (1, dilations[0]), (0, pads[0], 0, pads[1])
    return (strides[0], strides[1]), (dilations[0], dilations[1]), (pads[0], pads[1], pads[2], pads[3])


def is_plain_window(node: Node) -> bool:
    """Whether pads are explicit and sizes round down, as :mod:`compiler.passes.explicit_padding` leaves them."""
    return node.text("auto_pad", "NOTSET") == "NOTSET" and node.integer("ceil_mode", 0) == 0


def _conv(node: Node, inputs: Arrays) -> list[NDArray] | None:
    x, weights, *bias = inputs
    if x is None or weights is None or x.ndim not in (3, 4) or x.shape[0] != 1 or not is_plain_window(node):
        return None
    strides, dilations, pads = window(node, weights.shape[2:])
    kernel = (weights if weights.ndim == 4 else weights[:, :, None]).transpose(2, 3, 1, 0)
    y = conv2d(_image(x), kernel, strides=strides, pads=pads, dilations=dilations, groups=node.integer("group", 1))
    if bias and bias[0] is not None:
        y = y + bias[0]
    return [_planar(y, x.ndim)]


def _fully_connected(node: Node, inputs: Arrays) -> list[NDArray] | None:
    x, weights, *bias = inputs
    if x is None or weights is None:
        return None
    y = x @ (weights.T if node.integer("transB", 0) else weights)
    return [y + bias[0] if bias and bias[0] is not None else y]


def _matmul(node: Node, inputs: Arrays) -> list[NDArray] | None:
    a, b = inputs
    return None if a is None or b is None else [(a @ b * np.asarray(node.real("alpha", 1.0), a.dtype)).astype(a.dtype)]


def _transpose(node: Node, inputs: Arrays) -> list[NDArray] | None:
    (x,) = inputs
    return None if x is None else [x.transpose(node.integers("perm", tuple(reversed(range(x.ndim)))))]


def _identity(_: Node, inputs: Arrays) -> list[NDArray] | None:
    return None if inputs[0] is None else [inputs[0]]


def _clip(node: Node, inputs: Arrays) -> list[NDArray] | None:
    # as an attribute before opset 11, as an input since: whichever is there
    x, *bounds = inputs
    if x is None:
        return None
    for key, choose, bound in zip(("min", "max"), (np.maximum, np.minimum), (*bounds, None, None), strict=False):
        limit = node.attributes.get(key) if bound is None else bound
        x = x if limit is None else choose(x, np.asarray(limit, x.dtype))
    return [x]


def _bipolar(node: Node, inputs: Arrays) -> list[NDArray] | None:
    (x,) = inputs
    scale = np.float32(node.real("scale", 1.0))
    return None if x is None else [np.where(x >= 0, scale, -scale)]


def _pool(node: Node, inputs: Arrays) -> list[NDArray] | None:
    x = inputs[0]
    kernel = node.integers("kernel_shape")
    if x is None or x.ndim not in (3, 4) or x.shape[0] != 1 or not is_plain_window(node) or len(node.outputs) > 1:
        return None
    strides, dilations, pads = window(node, kernel)
    square = (kernel[0], kernel[1]) if len(kernel) == 2 else (1, kernel[0])
    if node.op_type == "MaxPool":
        return [_planar(max_pool(_image(x), square, strides, pads, dilations), x.ndim)]
    if dilations != (1, 1) or (any(pads) and not node.integer("count_include_pad", 0)):
        return None
    total = sum_pool(_image(x), square, strides, pads)
    return [_planar(total / np.asarray(square[0] * square[1], x.dtype), x.ndim)]


def _batch_norm(node: Node, inputs: Arrays) -> list[NDArray] | None:
    # onnx.reference takes the running average's momentum before opset 14 for a sign of training
    if node.integer("training_mode", 0) or len(node.outputs) > 1:
        return None
    x, gamma, beta, mean, variance = inputs
    if x is None or gamma is None or beta is None or mean is None or variance is None:
        return None
    shape = (1, -1) + (1,) * (x.ndim - 2)
    scale = gamma / np.sqrt(variance + np.asarray(node.real("epsilon", 1e-5), x.dtype))
    return [(x - mean.reshape(shape)) * scale.reshape(shape) + beta.reshape(shape)]


def _parameter(value: NDArray | None, like: NDArray, axis: int) -> NDArray | None:
    """A scale or zero point, shaped to broadcast along ``axis``."""
    if value is None or value.size == 1:
        return None if value is None else value.reshape(())
    shape = [1] * like.ndim
    shape[axis] = -1
    return value.reshape(shape)


def _quantize(node: Node, inputs: Arrays) -> list[NDArray] | None:
    x, scale, *rest = inputs
    zero_point = rest[0] if rest else np.zeros(1, np.uint8)
    if x is None or scale is None or zero_point is None or zero_point.dtype not in (np.int8, np.uint8):
        return None
    axis = node.integer("axis", 1)
    bounds = np.iinfo(zero_point.dtype)
    q = np.rint(x.astype(np.float32) / np.asarray(_parameter(scale, x, axis)))
    q = q.astype(np.float64) + np.asarray(_parameter(zero_point, x, axis))
    return [np.clip(q, bounds.min, bounds.max).astype(zero_point.dtype)]


def _dequantize(node: Node, inputs: Arrays) -> list[NDArray] | None:
    q, scale, *rest = inputs
    if q is None or scale is None or node.integer("block_size", 0):
        return None
    axis = node.integer("axis", 1)
    zero_point = _parameter(rest[0], q, axis) if rest else None
    centred = q.astype(np.int64) - (0 if zero_point is None else zero_point.astype(np.int64))
    return [centred.astype(np.float32) * np.asarray(_parameter(scale, q, axis))]


_NATIVE: dict[str, Callable[[Node, Arrays], list[NDArray] | None]] = {
    "Conv": _conv,
    "FullyConnected": _fully_connected,
    "MatMul": _matmul,
    "Transpose": _transpose,
    "Identity": _identity,
    "Bipolar": _bipolar,
    "Clip": _clip,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    **STEPS,
}


def _reference(node: Node, inputs: Arrays, opset: int) -> list[NDArray]:
    import onnx
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = [f"in{i}" if array is not None else "" for i, array in enumerate(inputs)]
    outputs = [f"out{i}" for i in range(len(node.outputs))]
    proto = helper.make_node(node.op_type, names, outputs, domain=node.domain)
    proto.attribute.extend(helper.make_attribute(k, _plain(v)) for k, v in node.attributes.items())
    values = {name: array for name, array in zip(names, inputs, strict=True) if array is not None}
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in values.items()
    ]
    graph = helper.make_graph([proto], "node", infos, [onnx.ValueInfoProto(name=name) for name in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return [np.asarray(y) for y in ReferenceEvaluator(model).run(None, values)]


def _plain(value: object) -> object:
    from onnx import numpy_helper

    return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
