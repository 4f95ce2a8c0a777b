"""``ConstantOfShape`` of a known shape: a constant, however large, that takes no memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.frontend.limits import MAX_ELEMENTS, element_count
from compiler.frontend.read import name_of
from compiler.frontend.weights import to_array

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = ["expand_fills", "placeholder"]


def expand_fills(path: Path, model: onnx.ModelProto, constants: dict[str, NDArray]) -> None:
    """Turn the ``ConstantOfShape`` nodes of ``model`` into ``constants``, and into initializers without their data.

    Raises:
        ModelError: if one asks for a shape that is none, or too large.

    """
    import onnx

    kept: list[onnx.NodeProto] = []
    for node in model.graph.node:
        size = constants.get(node.input[0]) if node.op_type == "ConstantOfShape" and node.domain == "" else None
        if size is None:
            kept.append(node)
            continue
        value = _filled(path, node, size)
        constants[node.output[0]] = value
        data_type = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
        model.graph.initializer.append(placeholder(node.output[0], value.shape, data_type, value))
    if len(kept) < len(model.graph.node):
        del model.graph.node[:]
        model.graph.node.extend(kept)


def _filled(path: Path, node: onnx.NodeProto, size: NDArray) -> NDArray:
    where = f"node {name_of(node)!r} (ConstantOfShape)"
    shape = tuple(int(n) for n in size.reshape(-1)) if size.dtype.kind in "iu" else (-1,)
    if not 0 <= element_count(shape) <= MAX_ELEMENTS:
        raise ModelError(f"{where}: makes the shape {list(shape)}; 0 to {MAX_ELEMENTS} elements are accepted")
    value = next((to_array(path, a.t, f"the value of {where}") for a in node.attribute if a.name == "value"), None)
    if value is not None and value.size != 1:
        raise ModelError(f"{where}: its value has {value.size} elements, not one")
    value = np.zeros(1, np.float32) if value is None else value
    return np.broadcast_to(value.reshape(()), shape)


def placeholder(name: str, shape: tuple[int, ...], data_type: int, value: NDArray | None = None) -> onnx.TensorProto:
    """An initializer of that type; with its data only if that is small enough to be meant as a shape."""
    import onnx
    from onnx import numpy_helper

    if value is not None and value.size <= SMALL:
        return numpy_helper.from_array(np.ascontiguousarray(value).reshape(shape), name)
    return onnx.TensorProto(name=name, dims=shape, data_type=data_type)


SMALL = 1024
"""Elements of a tensor that can be meant as a shape."""
