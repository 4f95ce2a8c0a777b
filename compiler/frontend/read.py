"""From a file on disk to a model that can be trusted: every node of known form, every tensor of bounded size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.errors import ModelError
from compiler.frontend.limits import MAX_FILE_BYTES, MAX_NODES

if TYPE_CHECKING:
    import onnx

__all__ = ["checked", "first_line", "name_of", "opset_of", "read_model"]

OLDEST_OPSET = 7
KNOWN_DOMAINS = ("", "ai.onnx", "com.microsoft", "qonnx.custom_op.general", "onnx.brevitas")


def read_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in the file at ``path``, its nodes sorted and checked against ONNX' schemas, without external data.

    Raises:
        ModelError: if it is not a well-formed ONNX model.

    """
    path = Path(path)
    return checked(path, _parse(path))


def checked(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` itself, its nodes sorted and checked; messages call it ``path``.

    Raises:
        ModelError: as :func:`read_model`.

    """
    _check_header(path, model)
    _check_structure(path, model.graph)
    _check_nodes(path, model)
    return model


def name_of(node: onnx.NodeProto) -> str:
    """How messages call a node: its name, or failing that its first output."""
    return node.name or (node.output[0] if node.output else node.op_type)


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the default operator set."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)


def first_line(error: object) -> str:
    """The first line of an exception's text that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]


def _parse(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    if not path.exists():
        raise ModelError(f"{path}: no such file")
    if not path.is_file():
        raise ModelError(f"{path}: is not a file but a directory or device; give the .onnx file itself")
    size = path.stat().st_size
    if size == 0:
        raise ModelError(f"{path}: is empty")
    if size > MAX_FILE_BYTES:
        raise ModelError(f"{path}: has {size} bytes, protobuf's limit is 2 GiB; save its weights as external data")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except (DecodeError, RecursionError) as error:
        raise ModelError(f"{path}: is not an ONNX model, or is cut short ({first_line(error)})") from error
    return model


def _check_header(path: Path, model: onnx.ModelProto) -> None:
    import onnx

    if not model.HasField("graph") or not model.opset_import:
        raise ModelError(f"{path}: is not an ONNX model: it has no graph or no operator set")
    newest, opset = onnx.defs.onnx_opset_version(), opset_of(model)
    if not OLDEST_OPSET <= opset <= newest:
        raise ModelError(f"{path}: operator set {opset} is not in {OLDEST_OPSET}..{newest}; export with opset 13..21")
    if model.functions:
        raise ModelError(
            f"{path}: function {model.functions[0].name!r} is local to the model; inline it (onnx.inliner)"
        )
    if not model.graph.node:
        raise ModelError(f"{path}: the graph has no nodes")
    if len(model.graph.node) > MAX_NODES:
        raise ModelError(f"{path}: the graph has {len(model.graph.node)} nodes; at most {MAX_NODES} are accepted")
    if not model.graph.output:
        raise ModelError(f"{path}: the graph has no outputs")
    if model.graph.sparse_initializer:
        raise ModelError(f"{path}: sparse initializers are not supported; store them dense")
    model.ir_version = min(max(model.ir_version, 3), onnx.IR_VERSION)


def _check_structure(path: Path, graph: onnx.GraphProto) -> None:
    """Names are unique, every input has a source, and there is no cycle; leaves the nodes sorted."""
    writers: dict[str, str] = {}
    initializers = {t.name for t in graph.initializer}
    for kind, protos in (("input", graph.input), ("initializer", graph.initializer), ("output", graph.output)):
        names = [proto.name for proto in protos]
        for name in names:
            if not name:
                raise ModelError(f"{path}: an {kind} has no name")
            if names.count(name) > 1 and kind != "output":
                raise ModelError(f"{path}: {kind} {name!r} is declared twice")
        if kind != "output":
            writers.update(dict.fromkeys(names, f"an {kind}"))
    for node in graph.node:
        for output in filter(None, node.output):
            if output in writers:
                raise ModelError(
                    f"{path}: node {name_of(node)!r} writes tensor {output!r}, already written by {writers[output]}"
                )
            writers[output] = f"node {name_of(node)!r}"
    for node in graph.node:
        for tensor in filter(None, node.input):
            if tensor not in writers:
                raise ModelError(f"{path}: node {name_of(node)!r} reads tensor {tensor!r}, which nothing produces")
    for output in graph.output:
        if output.name not in writers:
            raise ModelError(f"{path}: output {output.name!r} is produced by no node")
    _sort(path, graph, initializers | {i.name for i in graph.input})


def _sort(path: Path, graph: onnx.GraphProto, known: set[str]) -> None:
    nodes = list(graph.node)
    waiting = {i: {n for n in node.input if n and n not in known} for i, node in enumerate(nodes)}
    readers: dict[str, list[int]] = {}
    for i, names in waiting.items():
        for name in names:
            readers.setdefault(name, []).append(i)
    ready = [i for i, names in waiting.items() if not names]
    order: list[int] = []
    for i in ready:  # grows while it is read
        order.append(i)
        for output in nodes[i].output:
            for reader in readers.get(output, []):
                waiting[reader].discard(output)
                if not waiting[reader]:
                    ready.append(reader)
    if len(order) < len(nodes):
        stuck = next(node for i, node in enumerate(nodes) if waiting[i])
        raise ModelError(f"{path}: node {name_of(stuck)!r} ({stuck.op_type}) depends on its own output: a cycle")
    if order != sorted(order):
        sorted_nodes = [nodes[i] for i in order]
        del graph.node[:]
        graph.node.extend(sorted_nodes)


def _check_nodes(path: Path, model: onnx.ModelProto) -> None:
    import onnx
    from onnx import checker

    context = checker.C.CheckerContext()
    context.ir_version = model.ir_version
    versions = {o.domain: o.version for o in model.opset_import}
    versions.setdefault("", opset_of(model))
    context.opset_imports = versions
    for node in model.graph.node:
        where = f"{path}: node {name_of(node)!r} ({node.op_type})"
        if node.domain not in KNOWN_DOMAINS:
            raise ModelError(f"{where}: operator domain {node.domain!r} is not known; export with ONNX' own operators")
        for attribute in node.attribute:
            if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
                raise ModelError(f"{where}: control flow cannot be compiled; unroll it when exporting")
        if node.domain not in ("", "ai.onnx"):
            continue
        try:
            checker.check_node(node, context)
        except (checker.ValidationError, onnx.defs.SchemaError, RuntimeError) as error:
            raise ModelError(f"{where}: {first_line(error)}") from error
