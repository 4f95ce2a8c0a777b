"""Attributes of ONNX nodes as values of the IR."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compiler.errors import ModelError
from compiler.frontend.read import first_line, name_of
from compiler.frontend.weights import to_array

if TYPE_CHECKING:
    import onnx

    from compiler.ir import Attribute

__all__ = ["attribute_value"]


def attribute_value(path: Path, node: onnx.NodeProto, proto: onnx.AttributeProto) -> Attribute:
    """The value of one attribute; text is decoded, lists are tuples, tensors arrays.

    Raises:
        ModelError: if its kind or its content cannot be used.

    """
    import onnx
    from onnx import helper

    where = f"attribute {proto.name!r} of node {name_of(node)!r} ({node.op_type})"
    if proto.type == onnx.AttributeProto.TENSOR:
        return to_array(path, proto.t, where)
    try:
        value = helper.get_attribute_value(proto)
    except ValueError as error:
        raise ModelError(f"{where}: {first_line(error)}") from error
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float, str)):
        return value
    items = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]
    if not all(isinstance(v, (int, float, str)) for v in items):
        raise ModelError(f"{where} is of a kind that cannot be compiled")
    return tuple(items)
