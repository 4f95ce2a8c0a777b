"""From a checked ONNX model to the graph IR: batch 1, every shape known, initializers as constants."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.frontend.attributes import attribute_value
from compiler.frontend.fills import expand_fills
from compiler.frontend.formats import formats_of
from compiler.frontend.limits import MAX_ELEMENTS, MAX_WEIGHTS, element_count
from compiler.frontend.operands import check_operands
from compiler.frontend.qlinear import expand_qlinear
from compiler.frontend.qonnx import QONNX_DOMAINS, add_qonnx, stand_in
from compiler.frontend.read import checked, name_of, opset_of, read_model
from compiler.frontend.shapes import infer_shapes
from compiler.frontend.weights import to_array
from compiler.ir import Attribute, Graph, Layout, Node, Port, Tensor

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray
    from onnx.model_container import ModelContainer

    Source = str | os.PathLike[str] | onnx.ModelProto | ModelContainer

__all__ = ["import_model", "path_of"]


def import_model(source: Source) -> Graph:
    """The ONNX-level graph of a model: the one at that path, or one in memory, which is left as it is.

    A symbolic first dimension of an input is the batch, and becomes 1. Operators on quantised tensors have become
    dequantise, compute, quantise. A model in memory is checked as one in a file is, and goes by its graph's name; the
    arrays of a container are not copied.

    Raises:
        ModelError: one line that names the file, the node and what is wrong.

    """
    path = path_of(source)
    try:
        graph = _build(path, *_own(path, source))
        check_operands(graph)
    except ModelError as error:
        message = str(error)
        raise ModelError(message if message.startswith(str(path)) else f"{path}: {message}") from error
    except UnicodeError as error:
        raise ModelError(f"{path}: a name in it is not text (UTF-8); the file is damaged") from error
    graph.verify()
    return graph


def path_of(source: Source) -> Path:
    """What messages call a model. The path of one in memory is that of its external data too: the current folder."""
    return Path(source if isinstance(source, str | os.PathLike) else _in_memory(source)[0].graph.name or "model")


def _in_memory(source: onnx.ModelProto | ModelContainer) -> tuple[onnx.ModelProto, Mapping[str, NDArray]]:
    """The model, and the arrays beside it."""
    import onnx

    if isinstance(source, onnx.ModelProto):
        return source, {}
    return source.model_proto, source.large_initializers


def _own(path: Path, source: Source) -> tuple[onnx.ModelProto, Mapping[str, NDArray]]:
    """The model, checked, to be rewritten on the way to a graph, and the arrays beside it."""
    if isinstance(source, str | os.PathLike):
        return read_model(path), {}
    given, beside = _in_memory(source)
    model = type(given)()
    model.CopyFrom(given)
    return checked(path, model), beside


def _build(path: Path, model: onnx.ModelProto, beside: Mapping[str, NDArray]) -> Graph:
    _check_weights(model.graph)
    constants = {t.name: to_array(path, t, f"initializer {t.name!r}", beside) for t in model.graph.initializer}
    expand_fills(path, model, constants)
    expand_qlinear(model, constants)
    quants = stand_in(model)
    for tensor in model.graph.initializer:
        if tensor.name not in constants:
            constants[tensor.name] = to_array(path, tensor, f"initializer {tensor.name!r}")
    _fix_batch(model.graph, set(constants))
    _drop_unread_outputs(model.graph)
    tensors = infer_shapes(path, model, constants)
    graph = Graph(model.graph.name or path.stem, opset=opset_of(model))
    graph.formats = formats_of(model)
    for name, value in constants.items():
        graph.set_constant(name, value)
    for node in model.graph.node:
        _add_node(path, graph, quants.get(node.output[0], node), tensors)
    graph.input_ports = tuple(
        _port(graph, tensors, i.name, is_input=True) for i in model.graph.input if i.name not in constants
    )
    graph.output_ports = tuple(_port(graph, tensors, o.name, is_input=False) for o in model.graph.output)
    return graph


def _check_weights(graph: onnx.GraphProto) -> None:
    """Refuse what the accelerator could not address, before reading gigabytes of it from external files."""
    sizes = [element_count(tuple(tensor.dims)) for tensor in graph.initializer]
    # one that is too large, or of negative size, is refused by its name
    total = sum(size for size in sizes if 0 <= size <= MAX_ELEMENTS)
    if total > MAX_WEIGHTS:
        raise ModelError(f"its initializers have {total} elements together; at most {MAX_WEIGHTS} are accepted")


def _drop_unread_outputs(graph: onnx.GraphProto) -> None:
    """Optional outputs that nothing reads, such as the mask of a ``Dropout``, need no shape: they become omitted."""
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for node in graph.node:
        for place, name in enumerate(node.output):
            if place > 0 and name not in read:
                node.output[place] = ""


def _fix_batch(graph: onnx.GraphProto, initializers: set[str]) -> None:
    for value in graph.input:
        if value.name in initializers:
            continue
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
            raise ModelError(f"input {value.name!r} is not a tensor with a shape; export with one size")
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_value") and dim.dim_value > 0:
                continue
            if axis > 0:
                size = dim.dim_param or dim.dim_value
                raise ModelError(
                    f"input {value.name!r}: dimension {axis} ({size!r}) is not fixed; export with one size"
                )
            dim.dim_value = 1
    # what the exporter inferred holds for its own batch
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")


def _add_node(path: Path, graph: Graph, proto: onnx.NodeProto, tensors: dict[str, Tensor]) -> None:
    attributes = {a.name: attribute_value(path, proto, a) for a in proto.attribute}
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    if proto.op_type == "Constant" and domain == "":
        graph.set_constant(proto.output[0], _constant(proto, attributes))
        return
    for output in filter(None, proto.output):
        if output not in tensors:
            raise ModelError(
                f"node {name_of(proto)!r} ({proto.op_type}): the shape of its output {output!r} is not known; "
                "simplify the model with fixed shapes"
            )
        graph.add_tensor(tensors[output])
    name = graph.fresh(name_of(proto)) if name_of(proto) in graph else name_of(proto)
    node = Node(name, proto.op_type, tuple(proto.input), tuple(proto.output), attributes, domain)
    if domain in QONNX_DOMAINS:
        add_qonnx(graph, node)
    else:
        graph.add(node)


def _constant(proto: onnx.NodeProto, attributes: dict[str, Attribute]) -> NDArray:
    ((key, value),) = attributes.items()
    if key == "value" and isinstance(value, np.ndarray):
        return value
    if key in ("value_float", "value_floats"):
        return np.asarray(value, np.float32)
    if key in ("value_int", "value_ints"):
        return np.asarray(value, np.int64)
    raise ModelError(f"node {name_of(proto)!r} (Constant): a constant of this kind ({key}) is not supported")


def _port(graph: Graph, tensors: dict[str, Tensor], name: str, *, is_input: bool) -> Port:
    if is_input:
        if name not in tensors:
            raise ModelError(f"input {name!r} has no known shape")
        graph.add_tensor(tensors[name])
    tensor = graph.tensor(name)
    if tensor.dtype.kind not in "fiu" or tensor.dtype.itemsize > 8:
        raise ModelError(f"{'input' if is_input else 'output'} {name!r} has the type {tensor.dtype}, not a number")
    layout = Layout(np.arange(tensor.size, dtype=np.int32).reshape(tensor.shape))
    return Port(name, name, tensor.dtype, layout)
