"""The type and shape of every tensor of a model, before it becomes a graph."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.evaluate import run_node
from compiler.frontend.attributes import attribute_value
from compiler.frontend.fills import SMALL, placeholder
from compiler.frontend.limits import MAX_ACTIVATION, MAX_ELEMENTS, element_count
from compiler.frontend.read import first_line, name_of, opset_of
from compiler.ir import Node, Tensor

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = ["infer_shapes"]

SHAPE_ARITHMETIC = frozenset(
    {"Shape", "Size", "Gather", "Unsqueeze", "Squeeze", "Concat", "Cast", "Slice", "Add", "Sub", "Mul", "Div", "Floor",
     "Ceil", "Reshape", "ReduceProd", "Identity", "Min", "Max", "Mod", "Neg", "Where", "Equal"}
)  # fmt: skip


def infer_shapes(path: Path, model: onnx.ModelProto, constants: dict[str, NDArray]) -> dict[str, Tensor]:
    """Every tensor of ``model`` that has a fixed shape, by name.

    Where a shape is itself computed (``Shape``, ``Gather``, ``Concat``, ``Reshape`` as exporters chain them), that
    arithmetic is done here: its results join the initializers of ``model`` and ``constants``.

    Raises:
        ModelError: if types or shapes contradict each other, or a tensor is too large.

    """
    while True:
        tensors = _infer(model, constants)
        known = all(name in tensors for node in model.graph.node for name in node.output if name)
        if known or not _fold_shapes(path, model, constants, tensors):
            return tensors


def _fold_shapes(path: Path, model: onnx.ModelProto, constants: dict[str, NDArray], tensors: dict[str, Tensor]) -> bool:
    from onnx import numpy_helper

    kept: list[onnx.NodeProto] = []
    for proto in model.graph.node:
        value = _shape_value(path, proto, constants, tensors, opset_of(model))
        if value is None:
            kept.append(proto)
            continue
        constants[proto.output[0]] = value
        model.graph.initializer.append(numpy_helper.from_array(value, proto.output[0]))
    changed = len(kept) < len(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return changed


def _shape_value(
    path: Path, proto: onnx.NodeProto, constants: dict[str, NDArray], tensors: dict[str, Tensor], opset: int
) -> NDArray | None:
    """The value of one step of shape arithmetic; None if it is none, or not known yet."""
    if proto.op_type not in SHAPE_ARITHMETIC or proto.domain not in ("", "ai.onnx") or len(proto.output) != 1:
        return None
    attributes = {a.name: attribute_value(path, proto, a) for a in proto.attribute}
    node = Node(name_of(proto), proto.op_type, tuple(proto.input), tuple(proto.output), attributes)
    if node.op_type in ("Shape", "Size") and node.input(0) in tensors:
        tensor = tensors[node.input(0)]
        if node.op_type == "Size":
            return np.asarray(tensor.size, np.int64)
        shape = tensor.shape[node.integer("start", 0) : node.integer("end", len(tensor.shape))]
        return np.asarray(shape, np.int64)
    arrays = [constants.get(name) for name in proto.input]
    if any(a is None and name for a, name in zip(arrays, proto.input, strict=True)):
        return None
    if any(a is not None and a.size > SMALL for a in arrays) or not arrays:
        return None
    return run_node(node, arrays, opset)[0]


def _infer(model: onnx.ModelProto, constants: Collection[str]) -> dict[str, Tensor]:
    """The type of every tensor that ONNX' own inference can tell."""
    import onnx
    from onnx import shape_inference

    light = _without_data(model)
    fixed = _constant_tensors(model, constants)
    try:
        inferred = shape_inference.infer_shapes(light, check_type=True, strict_mode=True, data_prop=True)
    except (shape_inference.InferenceError, RuntimeError, ValueError) as error:
        raise ModelError(f"shapes cannot be inferred: {first_line(error)}") from error
    found: dict[str, Tensor] = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        if value.name in constants:
            continue
        kind = value.type.tensor_type
        if not kind.HasField("shape") or not all(d.HasField("dim_value") for d in kind.shape.dim):
            continue
        shape = tuple(d.dim_value for d in kind.shape.dim)
        most = MAX_ELEMENTS if value.name in fixed else MAX_ACTIVATION
        if not 0 < element_count(shape) <= most:
            raise ModelError(f"tensor {value.name!r} would be {list(shape)}; 1 to {most} elements are accepted")
        try:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        except KeyError as error:
            raise ModelError(f"tensor {value.name!r} has the unknown element type {kind.elem_type}") from error
        found[value.name] = Tensor(value.name, shape, np.dtype(dtype))
    return found


def _without_data(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with large initializers emptied: inference reads only small ones (shapes), and copies them all."""
    import onnx

    # before version 4, inference knows no initializer that is not an input too
    light = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    source, graph = model.graph, light.graph
    graph.name = source.name
    graph.node.extend(source.node)
    graph.input.extend(source.input)
    graph.output.extend(source.output)
    for tensor in source.initializer:
        large = element_count(tuple(tensor.dims)) > SMALL or tensor.data_location == onnx.TensorProto.EXTERNAL
        graph.initializer.append(placeholder(tensor.name, tuple(tensor.dims), tensor.data_type) if large else tensor)
    return light


def _constant_tensors(model: onnx.ModelProto, constants: Collection[str]) -> set[str]:
    """The tensors that do not depend on any input; the nodes are sorted."""
    fixed = set(constants)
    for node in model.graph.node:
        if all(name in fixed for name in node.input if name):
            fixed.update(node.output)
    return fixed
